/* One symbol in version ONE and, with -DTWO, another in version TWO. */
int one(void) { return 1; }
#ifdef TWO
int two(void) { return 2; }
#endif
