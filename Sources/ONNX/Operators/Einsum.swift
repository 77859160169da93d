import Basics
import GraphIR
import LoopIR
import Operators

let einsumRules = [
  ONNXRule("Einsum") { node in
    let operands = try node.values()
    let equation = try EinsumEquation(node.string("equation") ?? "", ranks: operands.map { node.type($0).rank })
    return [try equation.build(operands, &node.graph)]
  }
]

/// A sum of products, each operand's axes named by labels: a letter's code, or for the axes of an ellipsis -1 for the last of them, -2 for the
/// one before it, and so on.
private struct EinsumEquation {
  typealias Label = Int

  var operands: [[Label]]
  var result: [Label]

  /// `ij,jk->ik`; without an arrow the result has the ellipsis and then the letters that stand once, in alphabetical order.
  init(_ text: String, ranks: [Int]) throws {
    let plain = text.filter { $0 != " " }
    let sides = plain.split(separator: ">", omittingEmptySubsequences: false)
    guard sides.count == 1 || sides.count == 2 && sides[0].hasSuffix("-") else {
      throw Diagnostic("attribute 'equation' is '\(text)', which is no equation such as ij,jk->ik")
    }
    let terms = (sides.count == 2 ? sides[0].dropLast() : sides[0]).split(separator: ",", omittingEmptySubsequences: false)
    guard terms.count == ranks.count, !terms.isEmpty else {
      throw Diagnostic("the equation '\(text)' has \(terms.count) terms, the node \(ranks.count) inputs")
    }
    operands = try zip(terms, ranks).map { try Self.labels($0, rank: $1, text) }
    let widest = operands.flatMap { $0 }.filter { $0 < 0 }.min() ?? 0
    let ellipsis = Array(widest..<0)
    if sides.count == 2 {
      result = try Self.labels(sides[1], ellipsis: ellipsis, text)
    } else {
      let letters = operands.flatMap { $0 }.filter { $0 > 0 }
      result = ellipsis + Set(letters).filter { letter in letters.filter { $0 == letter }.count == 1 }.sorted()
    }
    guard Set(result).count == result.count, Set(result).isSubset(of: operands.flatMap { $0 }) else {
      throw Diagnostic("the equation '\(text)' names an axis twice in its result, or one that no input has")
    }
  }

  private static func labels(_ term: Substring, rank: Int, _ text: String) throws -> [Label] {
    let count = rank - term.filter { $0 != "." }.count
    guard term.contains(".") ? count >= 0 : count == 0 else {
      throw Diagnostic("the term '\(term)' of the equation '\(text)' does not name the \(rank) axes of its input")
    }
    return try labels(term, ellipsis: Array(-count..<0), text)
  }

  private static func labels(_ term: Substring, ellipsis: [Label], _ text: String) throws -> [Label] {
    var labels: [Label] = []
    var rest = term
    var hasEllipsis = false
    while let first = rest.first {
      if rest.hasPrefix("..."), !hasEllipsis {
        labels += ellipsis
        hasEllipsis = true
        rest = rest.dropFirst(3)
        continue
      }
      guard first.isASCII, first.isLetter, let code = first.asciiValue else {
        throw Diagnostic("the equation '\(text)' has '\(first)', where a letter or an ellipsis is expected")
      }
      labels.append(Int(code))
      rest = rest.dropFirst()
    }
    return labels
  }

  /// A tensor with its axes' labels, each of them once.
  private struct Term {
    var value: ValueID
    var labels: [Label]
  }

  /// Products from left to right, each summed over what no later term and no result needs.
  func build(_ values: [ValueID], _ graph: inout GraphBuilder) throws -> ValueID {
    let sizes = try sizes(values, graph)
    var terms = try zip(values, operands).map { try single(Term(value: $0, labels: $1), sizes, &graph) }
    var product = terms.removeFirst()
    for (index, term) in terms.enumerated() {
      let needed = Set(result + terms[(index + 1)...].flatMap(\.labels))
      product = try multiply(
        summed(product, keeping: needed.union(term.labels), &graph), summed(term, keeping: needed.union(product.labels), &graph), needed,
        &graph)
    }
    product = try summed(product, keeping: Set(result), &graph)
    return try arranged(product, result, &graph)
  }

  /// The size of each label's axes; a size of 1 gives way to another one.
  private func sizes(_ values: [ValueID], _ graph: GraphBuilder) throws -> [Label: Dimension] {
    var sizes: [Label: Dimension] = [:]
    for (value, labels) in zip(values, operands) {
      for (label, size) in zip(labels, graph.type(value).shape) {
        if let known = sizes[label], known != 1 {
          guard size == 1 || size == known else {
            throw Diagnostic("one label of the equation stands for axes of size \(known) and \(size)")
          }
        } else {
          sizes[label] = size
        }
      }
    }
    return sizes
  }

  /// The term with axes of size 1 repeated to their label's size, and of axes with the same label only the diagonal.
  private func single(_ term: Term, _ sizes: [Label: Dimension], _ graph: inout GraphBuilder) throws -> Term {
    var term = term
    term.value = try graph.broadcast(term.value, to: term.labels.map { sizes[$0]! })
    while let second = term.labels.indices.first(where: { term.labels[..<$0].contains(term.labels[$0]) }) {
      let first = term.labels.firstIndex(of: term.labels[second])!
      let shape = graph.type(term.value).shape
      func positions(_ axis: Int) throws -> ValueID {
        try graph.iota(shape.indices.map { $0 == axis ? shape[axis] : 1 }, axis: axis, .i32)
      }
      let isDiagonal = try graph.equal(positions(first), positions(second))
      term.value = try graph.sum(graph.select(isDiagonal, term.value, 0), axes: [second])
      term.labels.remove(at: second)
    }
    return term
  }

  private func summed(_ term: Term, keeping needed: Set<Label>, _ graph: inout GraphBuilder) throws -> Term {
    let axes = term.labels.indices.filter { !needed.contains(term.labels[$0]) }
    return Term(value: try graph.sum(term.value, axes: axes), labels: term.labels.filter(needed.contains))
  }

  private func arranged(_ term: Term, _ order: [Label], _ graph: inout GraphBuilder) throws -> ValueID {
    term.labels == order ? term.value : try graph.transpose(term.value, order.map { term.labels.firstIndex(of: $0)! })
  }

  /// A batched matrix product: labels of both that are needed further on are the batch, the others of both are summed over.
  private func multiply(_ a: Term, _ b: Term, _ needed: Set<Label>, _ graph: inout GraphBuilder) throws -> Term {
    let common = a.labels.filter(b.labels.contains)
    let (batch, inner) = (common.filter(needed.contains), common.filter { !needed.contains($0) })
    let rows = a.labels.filter { !common.contains($0) }, columns = b.labels.filter { !common.contains($0) }
    func shape(_ labels: [Label], _ term: Term) -> Shape {
      labels.map { graph.type(term.value).shape[term.labels.firstIndex(of: $0)!] }
    }
    let (m, n) = (shape(rows, a), shape(columns, b)), sizes = shape(batch, a)
    func matrix(_ term: Term, _ order: [[Label]]) throws -> ValueID {
      let matrix = try order.suffix(2).map { labels in
        guard let size = Dimension.product(shape(labels, term)) else { throw Diagnostic("two symbolic axes come together in the product") }
        return size
      }
      return try graph.reshape(arranged(term, order.flatMap { $0 }, &graph), shape(order[0], term) + matrix)
    }
    let left = try matrix(a, [batch, rows, inner]), right = try matrix(b, [batch, inner, columns])
    let product = inner.isEmpty ? try graph.multiply(left, right) : try graph.matmul(left, right)
    return Term(value: try graph.reshape(product, sizes + m + n), labels: batch + rows + columns)
  }
}
