/* Wants both versions of libversions, and what glibc has since 2.28 (fcntl64), besides one symbol of no library. */
int one(void); int two(void); int fcntl64(int, int, ...); __attribute__((weak)) int optional(void);
int user(int descriptor) { return one() + two() + fcntl64(descriptor, 1) + (optional ? optional() : 0); }
