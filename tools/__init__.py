"""The developers' own tools: benchmark, mutations, pictures. Not part of the package."""
