import Basics
import GraphIR

extension ONNXModel {
  /// Every node whose operator gradc does not have, subgraphs and the model's own functions included, in the order of the file.
  public func unsupportedNodes() -> [Diagnostic] {
    var found: [Diagnostic] = []
    let known = Set(message.functions.map { [canonicalDomain($0.domain), $0.name] })
    var versions: [[String: Int]] = [operatorVersions(message.opsetImport)]
    var pending: [(nodes: [NodeMessage], versions: Int)] = []
    for function in message.functions.reversed() {
      versions.append(operatorVersions(function.opsetImport))
      pending.append((function.node, versions.count - 1))
    }
    pending.append((message.graph.node, 0))
    while let (nodes, number) = pending.popLast() {
      for node in nodes {
        let domain = canonicalDomain(node.domain)
        for attribute in node.attribute {
          if case .graph(let graph) = attribute.value { pending.append((graph.node, number)) }
        }
        if known.contains([domain, node.opType]) { continue }
        let version = versions[number][domain] ?? 1
        if RuleTable.all.rule(node.opType, domain: domain, version: version) == nil {
          let name = node.name.isEmpty ? node.output.first ?? "" : node.name
          found.append(Diagnostic(escaped("node '\(name)' (\(node.opType)): \(unsupportedText(domain, version))"), kind: .unsupported))
        }
      }
    }
    return found
  }
}

/// The version of each domain's operators.
func operatorVersions(_ imports: [OperatorSetMessage]) -> [String: Int] {
  Dictionary(imports.map { (canonicalDomain($0.domain), Int(clamping: $0.version)) }, uniquingKeysWith: { max($0, $1) })
}

/// What is said of an operator that gradc has not.
func unsupportedText(_ domain: String, _ version: Int) -> String {
  "the operator is not supported (\(domain.isEmpty ? "" : "domain '\(domain)', ")version \(version))"
}
