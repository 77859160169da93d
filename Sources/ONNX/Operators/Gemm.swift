import Basics
import GraphIR
import LoopIR
import Operators

let gemmRules = [
  ONNXRule("Gemm") { node in
    let (a, b) = (try node.value(0), try node.value(1))
    let (alpha, beta) = (try node.float("alpha", 1), try node.float("beta", 1))
    let (transposeA, transposeB) = (try node.int("transA", 0) != 0, try node.int("transB", 0) != 0)
    guard node.type(a).rank == 2, node.type(b).rank == 2 else {
      throw Diagnostic("the first two inputs must be matrices, found \(node.type(a)) and \(node.type(b))")
    }
    let product = try node.graph.matmul(a, b, transposeA: transposeA, transposeB: transposeB)
    let scaled = alpha == 1 ? product : try node.graph.multiply(product, alpha)
    guard let c = try node.optional(2), beta != 0 else { return [scaled] }
    let sum = try node.graph.add(scaled, beta == 1 ? c : node.graph.multiply(c, beta))
    guard node.type(sum).shape == node.type(product).shape else {
      throw Diagnostic("input 2, \(node.type(c)), does not fit the product \(node.type(product))")
    }
    return [sum]
  }
]
