import GraphIR
import ONNX
import Operators
import Testing

/// Convolutions and poolings, normalisations, images between their elements. Values of PyTorch 2.15 and torchvision in double precision,
/// where it has the operator, else of ONNX's reference.
@Suite struct ImageRuleTests {
  @Test(arguments: windows + normalisations + sampling + regions) func rules(_ test: RuleCase) throws { try test.check() }

  static let windows: [RuleCase] = [
    RuleCase(
      title: "groups, padding put out", type: "ConvTranspose",
      attributes: ["strides": .ints([2, 3]), "pads": .ints([1, 0, 1, 0]), "output_padding": .ints([1, 2]), "group": .int(2)],
      operands: [.wave(1, [1, 2, 3, 2]), .wave(2, [2, 1, 2, 2]), .wave(3, [2])],
      outputs: [
        TensorLiteral(
          [
            -0.303269685948, 0.505476035945, 0.112896006448, -0.0984729498021, 0.312285895128, 0.112896006448, 0.112896006448,
            -0.440889156528, 0.435579635574, 0.112896006448, 0.0068864727527, 0.174666424548, 0.112896006448, 0.112896006448,
            0.583529151399, -0.331064601799, 0.112896006448, 0.202987983578, 0.0279098778808, 0.112896006448, 0.112896006448,
            0.693998658943, -0.225705179244, 0.112896006448, 0.0691617853541, 0.138379385424, 0.112896006448, 0.112896006448,
            -0.38095284897, 0.578756604209, 0.112896006448, 0.150063441387, 0.0778349887535, 0.112896006448, 0.112896006448, -0.57544571959,
            -1.40907018873, -0.799938606051, -0.875017603353, -0.596221734783, -0.799938606051, -0.799938606051, -0.464976212046,
            -1.30371076617, -0.799938606051, -1.00884380158, -0.485752227239, -0.799938606051, -0.799938606051, -1.00508446163,
            -0.24330261789, -0.799938606051, -0.671995780711, -1.14709444212, -0.799938606051, -0.799938606051, -1.08106843151,
            -0.377128816113, -0.799938606051, -0.518589350141, -1.223078412, -0.799938606051, -0.799938606051, -0.627762207728,
            -1.26711635793, -0.799938606051, -0.972249393334, -0.332396207606, -0.799938606051, -0.799938606051,
          ], shape: [1, 2, 5, 7])
      ]),
    RuleCase(
      title: "as large as the input, more before", type: "Conv",
      attributes: ["auto_pad": .string("SAME_LOWER")],
      operands: [.wave(1, [1, 1, 5]), .wave(2, [2, 1, 4]), .wave(3, [2])],
      outputs: [
        TensorLiteral(
          [
            -0.103879797267, -0.827772271186, 0.843314923497, 1.2402460827, -0.872967593846, -0.726993388373, -1.96365239765,
            -0.620703415604, 0.558749211391, -1.28254231618,
          ], shape: [1, 2, 5])
      ]),
    RuleCase(
      title: "numbers of the largest", type: "MaxPool",
      attributes: ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 1])],
      operands: [.wave(1, [1, 2, 4, 3])],
      outputs: [
        TensorLiteral(
          [0.7988346763, 0.7988346763, 0.26197955131, 0.715832937712, 0.783486114483, 0.0594123564675, 0.761062991029, 0.761062991029],
          shape: [1, 2, 2, 2]), TensorLiteral([4, 4, 7, 8, 15, 16, 19, 19], shape: [1, 2, 2, 2], element: .i64),
      ]),
    RuleCase(
      title: "places of the largest", type: "MaxUnpool",
      attributes: ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])],
      operands: [.wave(2, [1, 1, 2, 2]), .input(TensorLiteral([4, 7, 8, 15], shape: [1, 1, 2, 2], element: .i64))],
      outputs: [
        TensorLiteral(
          [0, 0, 0, 0, 0.727437941461, 0, 0, -0.423868912727, -0.618211590045, 0, 0, 0, 0, 0, 0, 0.583175232101], shape: [1, 1, 4, 4])
      ]),
    RuleCase(
      title: "the third power", type: "LpPool",
      attributes: ["kernel_shape": .ints([2, 2]), "p": .int(3)],
      operands: [.wave(1, [1, 1, 3, 4])],
      outputs: [
        TensorLiteral(
          [0.949126665435, 0.987191380177, 0.980611292324, 0.98845673731, 0.923156373507, 0.977104892888], shape: [1, 1, 2, 3])
      ]),
    RuleCase(
      title: "whole images", type: "GlobalLpPool",
      operands: [.wave(1, [1, 2, 2, 3])],
      outputs: [TensorLiteral([1.34632968772, 1.45480094721], shape: [1, 2, 1, 1])]),
  ]

  static let normalisations: [RuleCase] = [
    RuleCase(
      title: "instances", type: "InstanceNormalization",
      attributes: ["epsilon": .float(0.01)],
      operands: [.wave(1, [2, 2, 3]), .wave(2, [2]), .wave(3, [2])],
      outputs: [
        TensorLiteral(
          [
            0.801990401335, 0.414142686313, -0.877445068305, -0.467697285081, -1.38159187538, -0.550526657692, -0.857778447507,
            0.338529303919, 0.857937162932, -0.567608199483, -0.447186329269, -1.3850212894,
          ], shape: [2, 2, 3])
      ]),
    RuleCase(
      title: "a scale for each channel", type: "GroupNormalization",
      attributes: ["num_groups": .int(2), "epsilon": .float(1e-05)],
      operands: [.wave(1, [1, 4, 2]), .wave(2, [4]), .wave(3, [4])],
      outputs: [
        TensorLiteral(
          [
            0.982756052405, 0.536796452313, -0.181586028362, -0.664433264402, -0.71033026713, 0.21677986924, -0.0769932035821,
            0.98732756367,
          ], shape: [1, 4, 2])
      ]),
    RuleCase(
      title: "a scale for each group", type: "GroupNormalization", version: 18,
      attributes: ["num_groups": .int(2), "epsilon": .float(1e-05)],
      operands: [.wave(1, [1, 4, 2]), .wave(2, [2]), .wave(3, [2])],
      outputs: [
        TensorLiteral(
          [
            0.982756052405, 0.536796452313, -0.948312099892, -0.119656379034, -1.35089590171, -0.715234630054, -0.180022125961,
            -0.953601766479,
          ], shape: [1, 4, 2])
      ]),
    RuleCase(
      title: "two axes", type: "LayerNormalization",
      attributes: ["axis": .int(1), "epsilon": .float(0.001)],
      operands: [.wave(1, [2, 2, 3]), .wave(2, [2, 3]), .wave(3, [2, 3])],
      outputs: [
        TensorLiteral(
          [
            0.840193280828, -0.959859196577, 1.14159499788, 0.461545285898, 0.28515447474, -0.434210871593, -0.796183384534, -1.01705672166,
            -0.696350734425, 0.378278570027, -0.733977488749, -1.4633024451,
          ], shape: [2, 2, 3]), TensorLiteral([0.141130468239, -0.0419170960773], shape: [2, 1, 1]),
        TensorLiteral([1.87917215071, 1.6855381485], shape: [2, 1, 1]),
      ]),
    RuleCase(
      title: "the last axis", type: "RMSNormalization",
      attributes: ["epsilon": .float(1e-05)],
      operands: [.wave(1, [2, 3]), .wave(2, [3])],
      outputs: [
        TensorLiteral([0.791049800675, -0.234106983882, 0.760258446003, -0.225498001253, -0.720254942495, 0.0790606467025], shape: [2, 3])
      ]),
    RuleCase(
      title: "the statistics of a batch", type: "BatchNormalization",
      attributes: ["training_mode": .int(1), "momentum": .float(0.75), "epsilon": .float(1e-05)],
      operands: [
        .wave(1, [3, 2, 2]), .wave(2, [2]), .wave(3, [2]), .wave(4, [2]),
        .input(TensorLiteral([0.767139419731, 0.323879936493], shape: [2])),
      ],
      outputs: [
        TensorLiteral(
          [
            0.650211991741, 0.120422583129, -0.378968450824, -0.874153139215, 0.851170843777, -0.522517095426, -0.361221713072,
            -1.2021378452, 0.718430000295, -1.14034228483, -0.508077213326, -1.47507327467,
          ], shape: [3, 2, 2]), TensorLiteral([-0.369782097491, -0.389907382212], shape: [2]),
        TensorLiteral([0.627076664657, 0.312313566995], shape: [2]),
      ], checksGradient: false),
    RuleCase(
      title: "running statistics", type: "BatchNormalization",
      attributes: ["epsilon": .float(1e-05)],
      operands: [
        .wave(1, [3, 2, 2]), .wave(2, [2]), .wave(3, [2]), .wave(4, [2]),
        .input(TensorLiteral([0.767139419731, 0.323879936493], shape: [2])),
      ],
      outputs: [
        TensorLiteral(
          [
            1.17482884042, 0.899696364233, -0.561060256459, -1.01951592031, 1.27919164132, 0.565802211346, -0.5446298364, -1.32317322159,
            1.21025610511, 0.244950621176, -0.680592715376, -1.57586438196,
          ], shape: [3, 2, 2])
      ]),
    RuleCase(
      title: "lengths", type: "LpNormalization",
      attributes: ["axis": .int(0)],
      operands: [.wave(1, [2, 3])],
      outputs: [
        TensorLiteral([0.977360672983, 0.393478025647, -0.996896123015, -0.211580043735, 0.919334021634, -0.0787281392971], shape: [2, 3])
      ]),
  ]

  static let sampling: [RuleCase] = [
    RuleCase(
      title: "cubic", type: "Resize",
      attributes: ["mode": .string("cubic")],
      operands: [.wave(1, [1, 1, 3, 4]), .absent, .absent, .known(TensorLiteral([1, 1, 5, 3], shape: [4], element: .i64))],
      outputs: [
        TensorLiteral(
          [
            0.640625932828, -0.269480507526, -0.28707770666, 0.671418707405, -0.405112597868, -0.139926312317, 0.688114570158,
            -0.600257537405, 0.09940059946, 0.607751383938, -0.710735724854, 0.324706986067, 0.538609285869, -0.759192418602,
            0.457422432271,
          ], shape: [1, 1, 5, 3])
      ]),
    RuleCase(
      title: "cubic, corners aligned", type: "Resize",
      attributes: ["mode": .string("cubic"), "coordinate_transformation_mode": .string("align_corners")],
      operands: [.wave(1, [1, 1, 3, 4]), .absent, .absent, .known(TensorLiteral([1, 1, 5, 3], shape: [4], element: .i64))],
      outputs: [
        TensorLiteral(
          [
            0.673176787846, -0.298453678027, -0.145730003418, 0.743787145066, -0.435760584803, 0.0263173507302, 0.7988346763,
            -0.600257537405, 0.26197955131, 0.769114234049, -0.701058438089, 0.469841912552, 0.715832937712, -0.74527111514, 0.601258732282,
          ], shape: [1, 1, 5, 3])
      ]),
    RuleCase(
      title: "linear, smoothed", type: "Resize",
      attributes: ["mode": .string("linear"), "antialias": .int(1), "exclude_outside": .int(1), "axes": .ints([2, 3])],
      operands: [.wave(1, [1, 1, 5, 4]), .absent, .absent, .known(TensorLiteral([2, 3], shape: [2], element: .i64))],
      outputs: [
        TensorLiteral(
          [0.491813659903, -0.380464274297, -0.0501842048119, 0.0848096641528, -0.441893527218, 0.428124692153], shape: [1, 1, 2, 3])
      ]),
    RuleCase(
      title: "nearest middles", type: "Resize",
      attributes: ["mode": .string("nearest"), "nearest_mode": .string("round_prefer_ceil")],
      operands: [.wave(1, [1, 1, 3, 4]), .absent, .absent, .known(TensorLiteral([1, 1, 5, 3], shape: [4], element: .i64))],
      outputs: [
        TensorLiteral(
          [
            0.673176787846, -0.761281659112, -0.145730003418, 0.673176787846, -0.761281659112, -0.145730003418, 0.7988346763,
            -0.783342183321, 0.26197955131, 0.715832937712, -0.600789797417, 0.601258732282, 0.715832937712, -0.600789797417,
            0.601258732282,
          ], shape: [1, 1, 5, 3])
      ]),
    RuleCase(
      title: "a part, and what lies outside", type: "Resize",
      attributes: [
        "mode": .string("linear"), "coordinate_transformation_mode": .string("tf_crop_and_resize"), "extrapolation_value": .float(2.5),
      ],
      operands: [
        .wave(1, [1, 1, 3, 4]), .known(TensorLiteral([0, 0, 0.25, -0.125, 1, 1, 1, 1.25], shape: [8])), .absent,
        .known(TensorLiteral([1, 1, 3, 4], shape: [4], element: .i64)),
      ],
      outputs: [
        TensorLiteral(
          [
            2.5, 0.140891503909, -0.46089816053, 2.5, 2.5, -0.156701126534, -0.331015299321, 2.5, 2.5, -0.446441817029, -0.15002159878, 2.5,
          ], shape: [1, 1, 3, 4])
      ]),
    RuleCase(
      title: "linear, zeros outside", type: "GridSample",
      operands: [
        .wave(1, [2, 1, 3, 4]),
        .input(
          TensorLiteral(
            [
              1.16390070634, -0.678190260363, -0.989138544072, 0.933080371361, 0.748694006901, -1.12601057276, -0.458533481263,
              1.24416960179, 0.137924674943, -1.27971127177, 0.191842828369, 1.23027548736, -0.508871274395, -1.09914496334, 0.792108828314,
              0.895027240519,
            ], shape: [2, 2, 2, 2])),
      ],
      outputs: [
        TensorLiteral(
          [
            -0.0246607324741, 0.224221576012, -0.0458197240762, 0.00512306954103, -0.0292182204017, 0.058380213047, -0.0402331110317,
            0.325035830076,
          ], shape: [2, 1, 2, 2])
      ]),
    RuleCase(
      title: "cubic, reflected", type: "GridSample",
      attributes: ["mode": .string("cubic"), "padding_mode": .string("reflection"), "align_corners": .int(1)],
      operands: [
        .wave(1, [2, 1, 3, 4]),
        .input(
          TensorLiteral(
            [
              1.16390070634, -0.678190260363, -0.989138544072, 0.933080371361, 0.748694006901, -1.12601057276, -0.458533481263,
              1.24416960179, 0.137924674943, -1.27971127177, 0.191842828369, 1.23027548736, -0.508871274395, -1.09914496334, 0.792108828314,
              0.895027240519,
            ], shape: [2, 2, 2, 2])),
      ],
      outputs: [
        TensorLiteral(
          [
            -0.202804268925, 0.716375949674, -0.367307360057, -0.18360316401, -0.519259793407, 0.251068615387, -0.445379160315,
            0.598154420587,
          ], shape: [2, 1, 2, 2])
      ]),
    RuleCase(
      title: "linear in space, held at the border", type: "GridSample",
      attributes: ["padding_mode": .string("border")],
      operands: [
        .wave(1, [1, 1, 2, 3, 2]),
        .input(
          TensorLiteral(
            [
              1.01841311804, -0.593416477818, -0.865496226063, 0.816445324941, 0.655107256039, -0.985259251168, -0.401216796105,
              1.08864840156, 0.120684090575, -1.1197473628, 0.167862474823, 1.07649105144,
            ], shape: [1, 1, 2, 2, 3])),
      ],
      outputs: [TensorLiteral([0.288324990455, -0.0616052826022, -0.0283736701642, 0.384315611623], shape: [1, 1, 1, 2, 2])]),
    RuleCase(
      title: "nearest, reflected", type: "GridSample",
      attributes: ["mode": .string("nearest"), "padding_mode": .string("reflection")],
      operands: [
        .wave(1, [2, 1, 3, 4]),
        .input(
          TensorLiteral(
            [
              1.16390070634, -0.678190260363, -0.989138544072, 0.933080371361, 0.748694006901, -1.12601057276, -0.458533481263,
              1.24416960179, 0.137924674943, -1.27971127177, 0.191842828369, 1.23027548736, -0.508871274395, -1.09914496334, 0.792108828314,
              0.895027240519,
            ], shape: [2, 2, 2, 2])),
      ],
      outputs: [
        TensorLiteral(
          [
            -0.145730003418, 0.715832937712, -0.145730003418, -0.446441817029, -0.261308100884, 0.515917386356, 0.445852042814,
            0.539846394315,
          ], shape: [2, 1, 2, 2])
      ], checksGradient: false),
    RuleCase(
      title: "a plane", type: "AffineGrid",
      operands: [.wave(1, [1, 2, 3]), .known(TensorLiteral([1, 1, 2, 3], shape: [4], element: .i64))],
      outputs: [
        TensorLiteral(
          [
            -1.38101813644, -0.362384898908, -0.932233611205, -0.459538234519, -0.483449085974, -0.556691570131, -1.03911423225,
            0.436449777392, -0.590329707018, 0.33929644178, -0.141545181787, 0.242143106169,
          ], shape: [1, 2, 3, 2])
      ]),
    RuleCase(
      title: "space, corners aligned", type: "AffineGrid",
      attributes: ["align_corners": .int(1)],
      operands: [.wave(1, [1, 3, 4]), .known(TensorLiteral([1, 1, 2, 1, 2], shape: [5], element: .i64))],
      outputs: [
        TensorLiteral(
          [
            -0.0576251321524, 0.246487058332, 0.486215591987, 1.28872844354, 1.84415641093, 1.91788146741, -1.58018845038, -1.32019730831,
            -0.715364002848, -0.233834874683, 0.277472044289, 0.716301872577,
          ], shape: [1, 2, 1, 2, 3])
      ]),
    RuleCase(
      title: "two groups of offsets, masks", type: "DeformConv",
      attributes: ["offset_group": .int(2)],
      operands: [.wave(1, [1, 2, 3, 3]), .wave(2, [2, 2, 2, 2]), .wave(3, [1, 16, 2, 2]), .wave(5, [2]), .wave(4, [1, 8, 2, 2])],
      outputs: [
        TensorLiteral(
          [
            -1.00870199467, -0.935800480144, -0.703897999508, -0.824097350687, 0.273786851671, 0.529953213203, -0.243904787668,
            -0.112958400344,
          ], shape: [1, 2, 2, 2])
      ]),
  ]

  static let regions: [RuleCase] = [
    RuleCase(
      title: "means of two samples a side", type: "RoiAlign",
      attributes: ["output_height": .int(2), "output_width": .int(2), "sampling_ratio": .int(2), "spatial_scale": .float(0.5)],
      operands: [
        .wave(1, [2, 1, 4, 5]), .known(TensorLiteral([0.5, 0.25, 4.5, 3.75, 1, 2, 7.25, 5.5], shape: [2, 4])),
        .known(TensorLiteral([1, 0], shape: [2], element: .i64)),
      ],
      outputs: [
        TensorLiteral(
          [
            -0.378071515702, -0.237380126429, -0.0888473678717, 0.393913250576, -0.303392095115, 0.24587404395, 0.0802812192349,
            0.0931743970585,
          ], shape: [2, 1, 2, 2])
      ]),
    RuleCase(
      title: "as many samples as elements, corners not moved", type: "RoiAlign", version: 10,
      attributes: ["output_height": .int(2), "output_width": .int(2)],
      operands: [
        .wave(1, [2, 1, 4, 5]), .known(TensorLiteral([0.5, 0.25, 4.5, 3.75, 1, 2, 7.25, 5.5], shape: [2, 4])),
        .known(TensorLiteral([1, 0], shape: [2], element: .i64)),
      ],
      outputs: [
        TensorLiteral(
          [0.113709279381, -0.0788568988963, -0.0529798149891, -0.0277107892233, -0.0562154717528, 0.118380280357, 0, 0],
          shape: [2, 1, 2, 2])
      ]),
    RuleCase(
      title: "the largest", type: "MaxRoiPool",
      attributes: ["pooled_shape": .ints([2, 2]), "spatial_scale": .float(0.5)],
      operands: [.wave(1, [2, 1, 4, 5]), .known(TensorLiteral([1, 0.5, 0.25, 4.5, 3.75, 0, 1, 2, 7.25, 5.5], shape: [2, 5]))],
      outputs: [
        TensorLiteral(
          [0.750645978667, 0.750645978667, 0.789302073632, 0.750645978667, 0.601258732282, 0.715832937712, 0.601258732282, 0.761062991029],
          shape: [2, 1, 2, 2])
      ]),
  ]
}
