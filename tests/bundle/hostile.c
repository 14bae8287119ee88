/* A library that says into which programs it gets. It needs no libc but that of the program. */

long write(int to, const void *bytes, unsigned long count);

__attribute__((constructor)) static void tell(void)
{
    static const char line[] = "hostile library loaded\n";
    if (write(2, line, sizeof line - 1) < 0)
        return;
}
