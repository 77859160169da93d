import Basics

/// A name as it stands in the text.
public struct Name: Hashable, Sendable {
  public var text: String
  public var location: SourceLocation

  public init(_ text: String, _ location: SourceLocation) {
    self.text = text
    self.location = location
  }

  /// Characters as written.
  public var length: Int { max(1, text.count) }
}

/// An expression with the stretch of text that an error about it marks.
public struct Expression: Hashable, Sendable {
  /// What an expression is. Chains are flat lists, so that their length costs no stack.
  public indirect enum Kind: Hashable, Sendable {
    case integer(Int)
    case number(Double)
    case string(String)
    case name(String)
    case list([Expression])
    case call(Call)
    /// `layer dense(16)`: a layer that can be applied several times and has one set of parameters.
    case instance(Call)
    /// `-x`.
    case negate(Expression)
    /// `a + b - c`, `a * b / c`: operators of one precedence, from left to right.
    case chain(Expression, [ChainLink])
    /// `x |> dense(16) |> relu`.
    case pipe(Expression, [Call])
  }

  public var kind: Kind
  public var location: SourceLocation
  /// Characters that belong to it on its first line.
  public var length: Int

  public init(_ kind: Kind, at location: SourceLocation, length: Int) {
    self.kind = kind
    self.location = location
    self.length = length
  }

  /// The name, when the expression is nothing else.
  public var bareName: Name? { if case .name(let text) = kind { Name(text, location) } else { nil } }
}

/// An operator and what stands to its right.
public struct ChainLink: Hashable, Sendable {
  /// The four operators of arithmetic.
  public enum Operator: String, Hashable, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
  }

  public var op: Operator
  public var location: SourceLocation
  public var operand: Expression
}

/// A layer, operator or loss with arguments; without parentheses it has none.
public struct Call: Hashable, Sendable {
  public var callee: Name
  public var arguments: [CallArgument]
  /// Characters from the name to the closing parenthesis, as far as they are on one line.
  public var length: Int
}

/// An argument, by position or by name.
public struct CallArgument: Hashable, Sendable {
  public var label: Name?
  public var value: Expression
}

/// A line of a model's or a layer's body.
public enum Statement: Hashable, Sendable {
  /// `input features: f32[N, 29]`; the axes after the batch.
  case input(Name, element: Name, axes: [Expression])
  /// `hidden = x |> dense(16)`.
  case assign(Name, Expression)
  /// `output risk` or `output risk = x |> dense(1)`.
  case output([OutputItem])
  /// `layout channels_last`: the order of the axes of images.
  case layout(Name, SourceLocation)
  /// `return x |> relu`, in a layer.
  case result(Expression, SourceLocation)

  /// Where the statement begins.
  public var location: SourceLocation {
    switch self {
    case .input(let name, _, _), .assign(let name, _): name.location
    case .output(let items): items[0].name.location
    case .layout(_, let location), .result(_, let location): location
    }
  }
}

/// An output's name, and its value unless a variable of that name is meant.
public struct OutputItem: Hashable, Sendable {
  public var name: Name
  public var value: Expression?
}

/// `model heart { … }`.
public struct ModelForm: Hashable, Sendable {
  public var name: Name
  public var body: [Statement]
}

/// `layer block(x, units, p: 0.1) { … return … }`.
public struct LayerForm: Hashable, Sendable {
  public var name: Name
  public var parameters: [LayerFormParameter]
  public var body: [Statement]
}

/// A parameter of a user's layer; required when it has no default.
public struct LayerFormParameter: Hashable, Sendable {
  public var name: Name
  public var defaultValue: Expression?
}

/// One line of a `data` or `train` block: `split train 0.7, stratified`.
public struct Directive: Hashable, Sendable {
  public var name: Name
  public var items: [DirectiveItem]
}

/// A part of a directive: `"age"`, `stratified`, `train 0.7`, `patience: 20`, `adam(rate: 0.001)`.
public struct DirectiveItem: Hashable, Sendable {
  /// `train` of `train 0.7`.
  public var word: Name?
  /// `patience` of `patience: 20`, `0` of `0: 1.5`.
  public var label: Expression?
  public var value: Expression
}

/// `let width = 64`, outside the blocks.
public struct ConstantForm: Hashable, Sendable {
  public var name: Name
  public var value: Expression
}

/// `data { … }` or `train { … }`.
public struct BlockForm: Hashable, Sendable {
  public var name: Name
  public var directives: [Directive]
}

/// A file of the model language, parsed but not yet understood.
public struct SyntaxTree: Hashable, Sendable {
  public var models: [ModelForm] = []
  public var layers: [LayerForm] = []
  public var constants: [ConstantForm] = []
  public var data: BlockForm?
  public var train: BlockForm?

  public init() {}
}
