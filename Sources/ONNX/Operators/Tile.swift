import Basics
import GraphIR
import Operators

/// Copies of a tensor side by side along its axes.
let tileRules = [
  ONNXRule("Tile", since: 6) { node in
    let x = try node.value(0)
    let shape = node.type(x).shape
    let repeats = try node.integers(1)
    guard repeats.count == shape.count, repeats.allSatisfy({ $0 >= 0 }) else {
      throw Diagnostic("repeats of \(node.type(x)) must be \(shape.count) numbers from 0 on, got \(repeats)")
    }
    // A repeated axis becomes two: the copies, and itself.
    var (apart, wide, together) = (Shape(), Shape(), Shape())
    for (size, count) in zip(shape, repeats) {
      guard let tiled = Dimension.product([size, Dimension(count)]) else {
        throw Diagnostic("\(count) copies of \(node.type(x)) are too many")
      }
      if count != 1 {
        apart.append(1)
        wide.append(Dimension(count))
      }
      apart.append(size)
      wide.append(size)
      together.append(tiled)
    }
    return [try node.graph.reshape(node.graph.broadcast(node.graph.reshape(x, apart), to: wide), together)]
  }
]
