int host_add(int, int); int host_mul(int, int); void *PyModule_Create2(void *, int);
void *PyInit_module(void) { return PyModule_Create2((void *)(long)(host_add(1, 2) + host_mul(3, 4)), 1013); }
