int host_add(int a, int b) { return a + b; }
#ifdef FULL
int host_mul(int a, int b) { return a * b; }
#endif
