"""The warm worker: a local process that keeps Spark's JVM between the runs of `dagster dev`.

It is to Dagster what Glue is: it starts a job, streams its messages, and stops it. Nothing needs
it: without it, a job runs in the process of its run. One job at a time; a run that finds it busy
works in its own process.

    run's process                    warm worker
    -------------                    -----------
    {"job": "silver", "argv": []} ->
                                  <- {"accepted": true}, or {"accepted": false} and the end
                                  <- {"log": "silver.orders   10,000 rows"}, any number of them
                                  <- {"done": true}, {"failed": "..."} or {"error": "..."}

Lines of JSON over a Unix socket in a folder that only its user can read. Results of tables go by
Dagster Pipes, over a file, as they do without a worker. If the run closes the connection before the
end, the worker dies with its JVM at once: that is how a job is stopped.
"""
