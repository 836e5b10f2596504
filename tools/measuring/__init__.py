"""Measuring what packages do not declare: real wheels read, real environments run, results written as data."""
