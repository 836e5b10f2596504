/* Symbols of libSystem that came late: os_sync_wait_on_address with macOS 14.4, mkfifoat with 13.0 (weak here). */
typedef unsigned long long word;
int os_sync_wait_on_address(void *, word, unsigned long, unsigned int);
__attribute__((weak_import)) int mkfifoat(int, const char *, unsigned short);
int late(void *address) { return mkfifoat ? mkfifoat(0, "", 0) : os_sync_wait_on_address(address, 1, 8, 0); }
