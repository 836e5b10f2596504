/* What the import_array of NumPy's headers leaves in a module: HEADERS is 1 or 2, NEEDS a release of NumPy. */
void *PyImport_ImportModule(const char *); void *PyObject_GetAttrString(void *, const char *);
void *PyCapsule_GetPointer(void *, const char *); void *PyErr_Format(void *, const char *, ...);
void *PyInit_numpy(void) {
#if HEADERS == 2
    void *numpy = PyImport_ImportModule("numpy._core._multiarray_umath");
    if (!numpy) numpy = PyImport_ImportModule("numpy.core._multiarray_umath");
#else
    void *numpy = PyImport_ImportModule("numpy.core._multiarray_umath");
#endif
    void **api = PyCapsule_GetPointer(PyObject_GetAttrString(numpy, "_ARRAY_API"), 0);
    if (!api) return PyErr_Format(0, "_ARRAY_API is NULL pointer");
#if HEADERS == 2
    return PyErr_Format(0, "module was compiled against NumPy C-API version 0x%x (NumPy " NEEDS ") but the running NumPy "
        "has C-API version 0x%x. Check the section C-API incompatibility", 1, 2);
#else
    return PyErr_Format(0, "module compiled against API version 0x%x but this version of numpy is 0x%x", 1, 2);
#endif
}
