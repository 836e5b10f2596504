/* The names that NumPy and SciPy bind: with -DNEW those of macOS 13.3's interface, else the classic ones. */
#ifdef NEW
#define NAME(name) __asm("_" name "$NEWLAPACK")
#else
#define NAME(name) __asm("_" name)
#endif
double cblas_ddot(int, const double *, int, const double *, int) NAME("cblas_ddot");
void dgesv_(const int *, const int *, double *, const int *, int *, double *, const int *, int *) NAME("dgesv_");
double vendor(const double *x, int n, int *info) {
    dgesv_(&n, &n, (double *)x, &n, info, (double *)x, &n, info);
    return cblas_ddot(n, x, 1, x, 1);
}
