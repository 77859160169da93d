import Basics
import GraphIR
import LoopIR
import Operators

/// Reductions of a function of the elements, or functions of a reduction.
let reductionRules = [
  ONNXRule("ReduceL1") { node in
    try node.reduced { graph, x, axes, keepDims in try graph.sum(graph.abs(x), axes: axes, keepDims: keepDims) }
  },
  ONNXRule("ReduceL2") { node in
    try node.reduced { graph, x, axes, keepDims in
      let squares = try graph.sum(graph.multiply(x, x), axes: axes, keepDims: keepDims)
      let element = graph.type(x).element
      return try element.isFloat ? graph.sqrt(squares) : graph.cast(graph.sqrt(graph.cast(squares, to: .f64)), to: element)
    }
  },
  ONNXRule("ReduceSumSquare") { node in
    try node.reduced { graph, x, axes, keepDims in try graph.sum(graph.multiply(x, x), axes: axes, keepDims: keepDims) }
  },
  ONNXRule("ReduceLogSum") { node in
    try node.reduced { graph, x, axes, keepDims in try graph.log(graph.sum(x, axes: axes, keepDims: keepDims)) }
  },
  ONNXRule("ReduceLogSumExp") { node in
    try node.reduced { graph, x, axes, keepDims in
      if axes.isEmpty { return x }
      // The largest element, where it is finite, is taken out; its own gradient cancels.
      let largest = try graph.stopGradient(graph.max(x, axes: axes, keepDims: true))
      let isFinite = try graph.less(graph.abs(largest), .infinity)
      let offset = try graph.select(isFinite, largest, 0)
      let total = try graph.log(graph.sum(graph.exp(graph.subtract(x, offset)), axes: axes, keepDims: keepDims))
      return try graph.add(total, graph.reshape(offset, graph.type(total).shape))
    }
  },
]
