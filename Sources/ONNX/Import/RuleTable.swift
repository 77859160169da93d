import GraphIR

/// Rules by operator; the latest that a version of the operator set allows.
struct RuleTable: Sendable {
  private var rules: [Key: [ONNXRule]] = [:]

  private struct Key: Hashable {
    var domain: String
    var name: String
  }

  /// All that gradc has.
  static let all = RuleTable(onnxRules)

  init(_ list: [ONNXRule]) {
    for rule in list { rules[Key(domain: rule.domain, name: rule.name), default: []].append(rule) }
    for key in rules.keys { rules[key]!.sort { $0.since < $1.since } }
  }

  /// The rule of an operator in a version of its operator set.
  func rule(_ name: String, domain: String, version: Int) -> ONNXRule? {
    rules[Key(domain: domain, name: name)]?.last { $0.since <= version }
  }
}

/// The domain's own name: ONNX's has two.
func canonicalDomain(_ domain: String) -> String { domain == "ai.onnx" ? "" : domain }
