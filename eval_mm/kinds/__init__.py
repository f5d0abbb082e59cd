"""What benchmarks of one kind share: how rows are read, asked and judged. A benchmark picks from here."""
