"""Conversions of f16 and bf16 that LLVM calls on x86 CPUs without the instructions.

They belong to the compiler's run-time library, which is not in the process when code is loaded
directly, so that a module for such a CPU brings its own. Integer arithmetic only.
"""

from __future__ import annotations

from mlc.target import Target

_HALF = """
define linkonce_odr hidden float @__extendhfsf2(half %x) {
  %bits = bitcast half %x to i16
  %word = zext i16 %bits to i32
  %sign = and i32 %word, 32768
  %rest = and i32 %word, 32767
  %moved = shl i32 %rest, 13
  %small = bitcast i32 %moved to float
  %scaled = fmul float %small, 0x46F0000000000000
  %finite = bitcast float %scaled to i32
  %special = or i32 %moved, 2139095040
  %isspecial = icmp uge i32 %rest, 31744
  %magnitude = select i1 %isspecial, i32 %special, i32 %finite
  %top = shl i32 %sign, 16
  %all = or i32 %magnitude, %top
  %value = bitcast i32 %all to float
  ret float %value
}

define linkonce_odr hidden half @__truncsfhf2(float %x) {
  %bits = bitcast float %x to i32
  %upper = lshr i32 %bits, 16
  %sign = and i32 %upper, 32768
  %rest = and i32 %bits, 2147483647
  %magnitude = bitcast i32 %rest to float
  %shifted = lshr i32 %rest, 13
  %odd = and i32 %shifted, 1
  %rebased = sub i32 %rest, 939520001
  %rounded = add i32 %rebased, %odd
  %normal = lshr i32 %rounded, 13
  %aligned = fadd float %magnitude, 5.000000e-01
  %alignedbits = bitcast float %aligned to i32
  %denormal = sub i32 %alignedbits, 1056964608
  %isdenormal = icmp ult i32 %rest, 947912704
  %finite = select i1 %isdenormal, i32 %denormal, i32 %normal
  %overflows = icmp uge i32 %rest, 1199566848
  %bounded = select i1 %overflows, i32 31744, i32 %finite
  %payload = or i32 %shifted, 32256
  %quiet = and i32 %payload, 32767
  %isnan = icmp ugt i32 %rest, 2139095040
  %result = select i1 %isnan, i32 %quiet, i32 %bounded
  %all = or i32 %result, %sign
  %short = trunc i32 %all to i16
  %value = bitcast i16 %short to half
  ret half %value
}
"""

_BFLOAT = """
define linkonce_odr hidden bfloat @__truncsfbf2(float %x) {
  %bits = bitcast float %x to i32
  %upper = lshr i32 %bits, 16
  %odd = and i32 %upper, 1
  %bias = add i32 %odd, 32767
  %rounded = add i32 %bits, %bias
  %finite = lshr i32 %rounded, 16
  %quiet = or i32 %upper, 64
  %isnan = fcmp uno float %x, %x
  %result = select i1 %isnan, i32 %quiet, i32 %finite
  %short = trunc i32 %result to i16
  %value = bitcast i16 %short to bfloat
  ret bfloat %value
}
"""


def half_support(llvm_text: str, target: Target) -> str:
    """What has to follow a module's text so that its conversions find their functions."""
    if not target.triple.startswith(("x86_64", "amd64")):
        return ""
    half = _HALF if target.vector_bits == 128 and "half" in llvm_text else ""
    return half + (_BFLOAT if "bfloat" in llvm_text else "")
