"""A report as text, JUnit XML, one HTML page, and beside an earlier one."""
