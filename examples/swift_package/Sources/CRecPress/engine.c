/* The C engine of a bundle, with the flag that it asks for: a package cannot give its own to those who use it. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#include "recpress.c"
