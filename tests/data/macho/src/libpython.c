void *PyModule_Create2(void *module, int version) { return version ? module : 0; }
