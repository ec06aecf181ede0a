"""Settings of DuckDB, and functions of received texts that row-wise queries may use, as macros."""

# All of Unicode's white space, by Unicode's property White_Space, and the byte order mark.
WHITE_SPACE = (
    "\t\n\x0b\x0c\r \x85\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
)
# Of a connection, as Spark does.
SETTINGS = {"TimeZone": "'UTC'", "error_on_division_by_zero": "false"}
MACROS = {
    # A text without white space around it. Trimming is slow, so only those texts are trimmed whose
    # first or last character is not printable ASCII.
    "trimmed(received)": "CASE WHEN received >= '!' AND received < chr(127) "
    f"AND received[-1] BETWEEN '!' AND '~' THEN received ELSE trim(received, '{WHITE_SPACE}') END",
    # The time in UTC of a local time, both without a zone. Of an hour that occurs twice, DuckDB
    # takes the second; the first one has the offset of the day before.
    "utc_of(local_time, zone)": "CASE WHEN timezone(zone, timezone('UTC', "
    "first_utc_of(local_time, zone))) = local_time THEN first_utc_of(local_time, zone) "
    "ELSE timezone('UTC', timezone(zone, local_time)) END",
    "first_utc_of(local_time, zone)": "local_time - (timezone(zone, timezone(zone, local_time) "
    "- INTERVAL 24 HOURS) - timezone('UTC', timezone(zone, local_time) - INTERVAL 24 HOURS))",
}  # fmt: skip
