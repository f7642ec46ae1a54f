/* For tests only: Wine 8 has no bcryptprimitives.dll, without which no Rust program starts. This one offers the single
 * function Rust asks for, over the generator Wine does have (RtlGenRandom, exported as SystemFunction036). */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
    while (length > 0) {
        ULONG part = length > 0x10000000 ? 0x10000000 : (ULONG)length;
        if (!SystemFunction036(data, part))
            return FALSE;
        data += part;
        length -= part;
    }
    return TRUE;
}
