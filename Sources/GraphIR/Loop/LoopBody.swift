import Basics
import LoopIR

/// The graph of one round of a loop. Its leaves are what it captures and what the rounds hand on (`Leaf.Role.captured`, `.carried`); it
/// updates each carried leaf with the value for the next round, and `.stacked` leaves with values that are handed out, a slice a round.
/// Its last symbol is the counter, from 1 to the number of rounds; `StepSlice` reads the slice of a captured tensor that belongs to it.
public struct LoopBody: Hashable, Sendable, Codable {
  public let graph: Graph
  /// Bodies are equal when their texts are.
  private let text: String

  public init(_ graph: Graph) {
    self.graph = graph
    text = graph.description
  }

  public static func == (a: LoopBody, b: LoopBody) -> Bool { a.text == b.text }
  public func hash(into hasher: inout Hasher) { hasher.combine(text) }

  /// Text forms write the graph itself.
  public init(from decoder: Decoder) throws { throw TypeError("a loop's body is read by the parser of graphs") }
  public func encode(to encoder: Encoder) throws { throw TypeError("a loop's body is written by the printer of graphs") }

  /// The counter of the rounds.
  public var counter: Symbol? { graph.symbols.last { $0.isCounter } }

  /// The types of what the rounds hand on, in order.
  public var carriedTypes: [TensorType] { updated { if case .carried(let number) = $0 { number } else { nil } } }

  /// The types of one slice of what is handed out, in order.
  public var stackedTypes: [TensorType] { updated { if case .stacked(let number) = $0 { number } else { nil } } }

  private func updated(_ number: (Leaf.Role) -> Int?) -> [TensorType] {
    let found = graph.updates.compactMap { update in number(update.leaf.role).map { ($0, update.value) } }
    return found.sorted { $0.0 < $1.0 }.map { graph.type($0.1) }
  }

  /// What is wrong with the body as one of a loop over so many rounds; nil where nothing is.
  func problem(rounds: Int, captured: [TensorType], carried: [TensorType]) -> String? {
    guard let counter, counter.maximum == rounds else { return "its body has no counter of \(rounds) rounds" }
    guard graph.outputs.isEmpty, graph.requirements.isEmpty else { return "its body has outputs or requirements" }
    for node in graph.nodes {
      switch node.leaf?.role {
      case .captured(let number)?:
        guard captured.indices.contains(number), captured[number] == node.types[0] else {
          return "its body captures \(node.types[0]) as operand \(number)"
        }
      case .carried(let number)?:
        guard carried.indices.contains(number), carried[number] == node.types[0] else {
          return "its body carries \(node.types[0]) as number \(number)"
        }
      case .table?, nil: break
      default: return "its body has the leaf \(node.leaf!)"
      }
    }
    guard carriedTypes == carried else { return "its body hands on \(carriedTypes), but begins with \(carried)" }
    let stacked = numbers { if case .stacked(let number) = $0 { number } else { nil } }
    let handedOn = numbers { if case .carried(let number) = $0 { number } else { nil } }
    guard stacked == Array(stacked.indices), handedOn == Array(handedOn.indices), stacked.count + handedOn.count == graph.updates.count,
      graph.updates.allSatisfy({ $0.mode == .assign })
    else { return "its body updates what is no loop's, or hands out one thing twice" }
    return problemOfSlices(counter)
  }

  private func numbers(_ number: (Leaf.Role) -> Int?) -> [Int] { graph.updates.compactMap { number($0.leaf.role) }.sorted() }

  /// A slice that is read lies in its tensor in each round. Bodies of inner loops may read those of the rounds around.
  private func problemOfSlices(_ counter: Symbol) -> String? {
    for node in graph.nodes {
      guard let slice = node.op as? StepSlice else { continue }
      guard let symbol = graph.symbols.first(where: { $0.isCounter && $0.name == slice.counter }) else {
        return "its body has no counter '\(slice.counter)', which step_slice reads"
      }
      let size = graph.type(node.operands[0]).shape[slice.axis].coefficient
      guard size >= symbol.maximum else { return "its body reads \(symbol.maximum) slices of \(size)" }
    }
    return nil
  }
}

extension TensorType {
  /// Where slices of this type are put side by side: behind a symbolic first axis, else in front.
  public var stackingAxis: Int { shape.first?.symbol == nil ? 0 : 1 }

  /// So many slices of this type as one tensor: [T, …], or [N, T, …] where the batch comes first.
  public func stacked(_ count: Int) -> TensorType {
    var type = self
    type.shape.insert(Dimension(count), at: stackingAxis)
    return type
  }
}
