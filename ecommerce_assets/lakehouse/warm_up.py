"""Run once by `make install`: fetches the jars and writes the JVM's class data archive.

Class data sharing halves the time to the first table. The JVM ignores an archive that was written
with another Java or other jars.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from ecommerce_assets.lakehouse.java import jars
from ecommerce_assets.lakehouse.session import class_archive

DUMPING_RUN = """
import sys
from ecommerce_assets.lakehouse import jvm, session
config = session.local_spark_config()
config["spark.driver.extraJavaOptions"] += " -XX:ArchiveClassesAtExit=" + sys.argv[2]
from pyspark.sql import SparkSession
SparkSession.builder.config(map=config).getOrCreate()
spark = session.open_session(sys.argv[1])
spark.sql("create namespace lakehouse.warm")
for name in ("a", "b"):
    spark.sql(f"create table lakehouse.warm.{name} (k bigint, v string, d date) using iceberg "
              "partitioned by (d)")
    rows = spark.range(1000).selectExpr("id as k", "cast(id as string) as v", "current_date() as d")
    rows.writeTo(f"lakehouse.warm.{name}").overwritePartitions()
spark.sql("select d, count(distinct a.k), sum(row_number) from (select *, row_number() over "
          "(partition by v order by k) as row_number from lakehouse.warm.a) a "
          "join lakehouse.warm.b using (k, d) group by d").collect()
spark.range(10).mapInArrow(lambda batches: batches, "id long").collect()
jvm.end_process(spark)
"""


def main() -> None:
    """Fetch the jars, and write the archive unless it is there."""
    jars()
    archive = class_archive()
    if archive.is_file():
        return
    print("Preparing Java's class archive (once, half a minute)", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        dumped = Path(folder) / "classes.jsa"
        command = [sys.executable, "-c", DUMPING_RUN, f"{folder}/lakehouse", str(dumped)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not dumped.is_file():
            # Everything works without it, but slower.
            print(f"No class archive: {done.stderr.strip()[-300:]}", file=sys.stderr)
            return
        dumped.replace(archive)


if __name__ == "__main__":
    main()
