void *PyModule_Create2(void *module, int version);
int main(void) { return PyModule_Create2(0, 0) != 0; }
