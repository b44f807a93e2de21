"""Kernels to schedule, as text: what lowering makes of usual groups, with odd sizes."""

from __future__ import annotations

from mlc.ir.stmt import Func
from mlc.ir.text import parse_func


def nest(loops: str, extents: tuple[int, ...], store: str) -> str:
    """Loops `a0, a1, …` where `loops` is "a", or the names in `loops`, around a store."""
    names = loops.split() if " " in loops else [f"{loops}{n}" for n in range(len(extents))]
    heads = " ".join(f"for {n} in {e} {{" for n, e in zip(names, extents, strict=True))
    return f"{heads} {store} {'}' * len(extents)}\n"


def convolution(
    batch: int = 2, channels: int = 3, filters: int = 24, size: int = 7, kernel: int = 3
) -> Func:
    """Convolution, bias, residual and relu: `acc` by two nests, `t1`, `t2`, then `y`."""
    shape = (batch, filters, size, size)
    acc, wide = f"f32[{batch},{filters},{size},{size}]", size + kernel - 1
    update = "acc[{0}] = acc[{0}] + x[i0,r0,i2+r1,i3+r2] * w[i1,r0,r1,r2]".format("i0,i1,i2,i3")
    return parse_func(
        f"""func conv(x: f32[{batch},{channels},{wide},{wide}],
          w: f32[{filters},{channels},{kernel},{kernel}] constant,
          b: f32[{filters}], r: {acc}, y: {acc}) {{
        alloc acc: {acc} arena {{ alloc t1: {acc} arena {{ alloc t2: {acc} arena {{"""
        + nest("z", shape, "acc[z0,z1,z2,z3] = 0.0:f32")
        + nest("i0 i1 i2 i3 r0 r1 r2", (*shape, channels, kernel, kernel), update)
        + nest("j", shape, "t1[j0,j1,j2,j3] = acc[j0,j1,j2,j3] + b[j1]")
        + nest("k", shape, "t2[k0,k1,k2,k3] = t1[k0,k1,k2,k3] + r[k0,k1,k2,k3]")
        + nest("l", shape, "y[l0,l1,l2,l3] = max(t2[l0,l1,l2,l3], 0.0:f32)")
        + "} } } }"
    )


def matmul(rows: int = 13, columns: int = 21, depth: int = 10) -> Func:
    """A product of matrices with a bias: `acc` by two nests, then `y`."""
    shape = f"f32[{rows},{columns}]"
    return parse_func(
        f"""func matmul(a: f32[{rows},{depth}], w: f32[{depth},{columns}] constant,
          b: f32[{columns}], y: {shape}) {{ alloc acc: {shape} arena {{"""
        + nest("z", (rows, columns), "acc[z0,z1] = 0.0:f32")
        + nest("i0 i1 k", (rows, columns, depth), "acc[i0,i1] = acc[i0,i1] + a[i0,k] * w[k,i1]")
        + nest("j", (rows, columns), "y[j0,j1] = acc[j0,j1] + b[j1]")
        + "} }"
    )


def softmax(rows: int = 5, columns: int = 11) -> Func:
    """Rows made to sum to one, but with a product in the place of the exponential."""
    column, full = f"f32[{rows},1]", f"f32[{rows},{columns}]"
    shape = (rows, columns)
    return parse_func(
        f"""func softmax(x: {full}, y: {full}) {{
        alloc m: {column} arena {{ alloc e: {full} arena {{ alloc s: {column} arena {{"""
        + nest("a", (rows, 1), "m[a0,a1] = -100.0:f32")
        + nest("b0 b1 bk", (rows, 1, columns), "m[b0,b1] = max(m[b0,b1], x[b0,bk])")
        + nest("c", shape, "e[c0,c1] = (x[c0,c1] - m[c0,0]) * 2.0:f32")
        + nest("d", (rows, 1), "s[d0,d1] = 0.0:f32")
        + nest("f0 f1 fk", (rows, 1, columns), "s[f0,f1] = s[f0,f1] + e[f0,fk]")
        + nest("g", shape, "y[g0,g1] = e[g0,g1] - s[g0,0]")
        + "} } } }"
    )


def pooling(channels: int = 3, size: int = 9) -> Func:
    """Padding by one, a largest of 3×3 at every second place, then twice that."""
    out = (size + 1) // 2
    guard = f"p1 > 0 & p1 < {size + 1} & p2 > 0 & p2 < {size + 1}"
    update = "t[i0,i1,i2] = max(t[i0,i1,i2], xp[i0,i1*2+r0,i2*2+r1])"
    return parse_func(
        f"""func pool(x: f32[{channels},{size},{size}], y: f32[{channels},{out},{out}]) {{
        alloc xp: f32[{channels},{size + 2},{size + 2}] arena {{
        alloc t: f32[{channels},{out},{out}] arena {{"""
        + nest(
            "p",
            (channels, size + 2, size + 2),
            f"xp[p0,p1,p2] = select({guard}, x[p0,p1-1,p2-1], -100.0:f32)",
        )
        + nest("z", (channels, out, out), "t[z0,z1,z2] = -100.0:f32")
        + nest("i0 i1 i2 r0 r1", (channels, out, out, 3, 3), update)
        + nest("j", (channels, out, out), "y[j0,j1,j2] = t[j0,j1,j2] + t[j0,j1,j2]")
        + "} } }"
    )


def statements() -> Func:
    """Several statements in each loop, on parameters alone."""
    return parse_func(
        """func rows(x: f32[5,6], s: f32[5], y: f32[5,6]) {
        for i in 5 {
          s[i] = 0.0:f32
          for k in 6 { s[i] = s[i] + x[i,k] y[i,k] = s[i] * 2.0:f32 }
          for j in 6 { y[i,j] = y[i,j] - s[i] }
        }
        for m in 4 { y[m,0] = y[m + 1,1] y[m,2] = x[m,1] }
        }"""
    )


KERNELS = {
    "statements": statements(),
    "convolution": convolution(1, 2, 5, 4, 3),
    "matmul": matmul(5, 6, 7),
    "softmax": softmax(3, 7),
    "pooling": pooling(2, 5),
}
