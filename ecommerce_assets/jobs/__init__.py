"""The three Glue jobs, one a layer: `main(argv)`, the same on Glue and in process."""
