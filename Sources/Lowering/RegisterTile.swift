import Basics
import GraphIR
import LoopIR

extension KernelContext {
  /// A block of height x width sums of products held in registers: a lane a column, the rows unrolled inside.
  ///
  ///     acc[height x width] = start or 0
  ///     for terms { for lanes l { for unrolled r { acc[r, l] = fma(a(r, terms), b(terms, l), acc[r, l]) } } }
  ///     for lanes l { for unrolled r { finish(r, l, acc[r, l]) } }
  ///
  /// `kept`: the lanes that there are; the others make a vector full, are begun with 0 and not finished.
  mutating func registerTile(
    _ element: ElementType, height: Int, width: Int, kept: Int? = nil, terms: [(name: String, size: Dimension)], upper: [Index]? = nil,
    start: ((Index, Index) -> Scalar)? = nil, a: (Index, [Index]) -> Scalar, b: ([Index], Index) -> Scalar,
    finish: (inout KernelContext, Index, Index, Scalar) -> Void
  ) -> [Statement] {
    let lane = loopVariable("lane", Dimension(width))
    let unrolled = loopVariable("r", Dimension(height))
    let variables = terms.map { loopVariable($0.name, $0.size) }
    let kept = kept ?? width
    func nest(_ body: [Statement], lanes: Int? = nil) -> Statement {
      .loop(
        Loop(
          lane, to: .constant(lanes ?? width), kind: .lanes,
          height == 1
            ? body.map { $0.substituting(indices: [unrolled: .constant(0)]) }
            : [.loop(Loop(unrolled, to: .constant(height), kind: .unrolled, body))]))
    }
    let (r, l) = (Index.variable(unrolled), Index.variable(lane))
    let slot = r * width + l
    let positions = variables.map { Index.variable($0) }
    return nested { context in
      let tile = context.localArray("acc", element, count: height * width)
      if start == nil || kept < width { context.append(nest([.store(tile, slot, .constant(0, element))])) }
      if let start { context.append(nest([.store(tile, slot, start(r, l))], lanes: kept)) }
      let (x, y) = (a(r, positions), b(positions, l))
      let sum = Scalar.load(tile, slot)
      var loops = [nest([.store(tile, slot, element.isFloat ? .fma(x, y, sum) : sum + x * y)])]
      for (position, term) in terms.enumerated().reversed() {
        loops = [.loop(Loop(variables[position], to: upper?[position] ?? term.size.index, loops))]
      }
      loops.forEach { context.append($0) }
      context.append(nest(context.nested { finish(&$0, r, l, sum) }, lanes: kept))
    }
  }

  /// Defines a product's or convolution's element and the pointwise members over it at one position; `core` leaves out axes of size 1.
  mutating func define(_ cluster: Cluster, at core: [Index], as value: Scalar) {
    for member in cluster.members {
      var rest = core[...]
      let at = graph.type(member).shape.map { $0 == 1 ? Index.constant(0) : rest.removeFirst() }
      if member == cluster.members[0] {
        define(member, at: at, as: value)
      } else if case .map(let body) = fused.lowerings[member]! {
        define(member, at: at, as: substitute(body, graph[member].operands, position: at, reduced: [:]))
      }
    }
  }

  /// Working memory of a kernel: `count` elements for each of at most `parts` parts. Returns the buffer and the offset of this part's.
  mutating func scratch(_ name: String, _ element: ElementType, count: Int, parts: Int, of id: ValueID) -> (buffer: String, offset: Index) {
    let type = TensorType(element, [Dimension(count * parts)])
    return (buffer(.scratch(id, name), type, .write, named: name), parts == 1 ? .constant(0) : .variable("part") * count)
  }
}
