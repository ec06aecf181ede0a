"""What is done on AWS from here: releases of the job code, uploads to landing, Athena."""
