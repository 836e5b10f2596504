int flat_needed(int); void *PyModule_Create2(void *, int);
void *PyInit_flat(void) { return PyModule_Create2((void *)(long)flat_needed(1), 1013); }
