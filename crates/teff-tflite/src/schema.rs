//! Where the fields of a TFLite file are.
//!
//! Made by scripts/tflite-schema from tflite/converter/schema/schema.fbs of github.com/google-ai-edge/LiteRT at f67457790c9c;
//! not edited by hand. `UNION` is the number of an options table in the union `BuiltinOptions`, `UNION_2` in `BuiltinOptions2`.

// The schema is whole where a table is read at all.
#![allow(dead_code)]

use crate::flatbuffer::{Reference, Scalar};

pub(crate) mod tensor_type {
    pub(crate) const FLOAT32: i8 = 0;
    pub(crate) const FLOAT16: i8 = 1;
    pub(crate) const INT32: i8 = 2;
    pub(crate) const UINT8: i8 = 3;
    pub(crate) const INT64: i8 = 4;
    pub(crate) const STRING: i8 = 5;
    pub(crate) const BOOL: i8 = 6;
    pub(crate) const INT16: i8 = 7;
    pub(crate) const COMPLEX64: i8 = 8;
    pub(crate) const INT8: i8 = 9;
    pub(crate) const FLOAT64: i8 = 10;
    pub(crate) const COMPLEX128: i8 = 11;
    pub(crate) const UINT64: i8 = 12;
    pub(crate) const RESOURCE: i8 = 13;
    pub(crate) const VARIANT: i8 = 14;
    pub(crate) const UINT32: i8 = 15;
    pub(crate) const UINT16: i8 = 16;
    pub(crate) const INT4: i8 = 17;
    pub(crate) const BFLOAT16: i8 = 18;
    pub(crate) const INT2: i8 = 19;
    pub(crate) const UINT4: i8 = 20;
    pub(crate) const FLOAT8_E4M3FN: i8 = 21;
    pub(crate) const FLOAT8_E5M2: i8 = 22;
}

pub(crate) mod padding {
    pub(crate) const SAME: i8 = 0;
    pub(crate) const VALID: i8 = 1;
}

pub(crate) mod activation_function_type {
    pub(crate) const NONE: i8 = 0;
    pub(crate) const RELU: i8 = 1;
    pub(crate) const RELU_N1_TO_1: i8 = 2;
    pub(crate) const RELU6: i8 = 3;
    pub(crate) const TANH: i8 = 4;
    pub(crate) const SIGN_BIT: i8 = 5;
}

pub(crate) mod mirror_pad_mode {
    pub(crate) const REFLECT: i8 = 0;
    pub(crate) const SYMMETRIC: i8 = 1;
}

pub(crate) mod fully_connected_options_weights_format {
    pub(crate) const DEFAULT: i8 = 0;
    pub(crate) const SHUFFLED4X16INT8: i8 = 1;
}

/// The names of operators, by number, separated by spaces.
pub(crate) const OPERATORS: &str = "\
    ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE \
    EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D \
    LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 \
    RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM \
    EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND \
    TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN \
    EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX \
    MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV \
    SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT \
    REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV \
    REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU \
    SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU \
    REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE \
    NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL \
    PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS \
    HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE \
    READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM \
    MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX \
    UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT \
    STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM \
    STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE STABLEHLO_BROADCAST_IN_DIM \
    STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE STABLEHLO_ABS \
    STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG STABLEHLO_MINIMUM \
    STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER STABLEHLO_RSQRT STABLEHLO_SELECT \
    STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER STABLEHLO_COMPARE STABLEHLO_CONVERT \
    STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_PAD STABLEHLO_IOTA \
    STABLEHLO_DOT_GENERAL STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE STABLEHLO_GATHER \
    STABLEHLO_TRANSPOSE DILATE STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW STABLEHLO_COMPOSITE \
    STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT STABLEHLO_CASE \
";

pub(crate) mod quantization_parameters {
    use super::*;
    pub(crate) const MIN: Reference = Reference::at(0);
    pub(crate) const MAX: Reference = Reference::at(1);
    pub(crate) const SCALE: Reference = Reference::at(2);
    pub(crate) const ZERO_POINT: Reference = Reference::at(3);
    pub(crate) const DETAILS_TYPE: Scalar<u8> = Scalar::new(4, 0);
    pub(crate) const DETAILS: Reference = Reference::at(5);
    pub(crate) const QUANTIZED_DIMENSION: Scalar<i32> = Scalar::new(6, 0);
}

pub(crate) mod tensor {
    use super::*;
    pub(crate) const SHAPE: Reference = Reference::at(0);
    pub(crate) const TYPE: Scalar<i8> = Scalar::new(1, 0);
    pub(crate) const BUFFER: Scalar<u32> = Scalar::new(2, 0);
    pub(crate) const NAME: Reference = Reference::at(3);
    pub(crate) const QUANTIZATION: Reference = Reference::at(4);
    pub(crate) const IS_VARIABLE: Scalar<bool> = Scalar::new(5, false);
    pub(crate) const SPARSITY: Reference = Reference::at(6);
    pub(crate) const SHAPE_SIGNATURE: Reference = Reference::at(7);
    pub(crate) const HAS_RANK: Scalar<bool> = Scalar::new(8, false);
    pub(crate) const VARIANT_TENSORS: Reference = Reference::at(9);
    pub(crate) const EXTERNAL_BUFFER: Scalar<u32> = Scalar::new(10, 0);
}

pub(crate) mod stablehlo_reduce_window_options {
    use super::*;
    pub(crate) const UNION_2: u8 = 13;
    pub(crate) const WINDOW_DIMENSIONS: Reference = Reference::at(0);
    pub(crate) const WINDOW_STRIDES: Reference = Reference::at(1);
    pub(crate) const BASE_DILATIONS: Reference = Reference::at(2);
    pub(crate) const WINDOW_DILATIONS: Reference = Reference::at(3);
    pub(crate) const PADDING: Reference = Reference::at(4);
    pub(crate) const BODY_SUBGRAPH_INDEX: Scalar<i32> = Scalar::new(5, 0);
}

pub(crate) mod conv2d_options {
    use super::*;
    pub(crate) const UNION: u8 = 1;
    pub(crate) const PADDING: Scalar<i8> = Scalar::new(0, 0).of(UNION);
    pub(crate) const STRIDE_W: Scalar<i32> = Scalar::new(1, 0).of(UNION);
    pub(crate) const STRIDE_H: Scalar<i32> = Scalar::new(2, 0).of(UNION);
    pub(crate) const FUSED_ACTIVATION_FUNCTION: Scalar<i8> = Scalar::new(3, 0).of(UNION);
    pub(crate) const DILATION_W_FACTOR: Scalar<i32> = Scalar::new(4, 1).of(UNION);
    pub(crate) const DILATION_H_FACTOR: Scalar<i32> = Scalar::new(5, 1).of(UNION);
    pub(crate) const QUANTIZED_BIAS_TYPE: Scalar<i8> = Scalar::new(6, 0).of(UNION);
}

pub(crate) mod conv3d_options {
    use super::*;
    pub(crate) const UNION: u8 = 106;
    pub(crate) const PADDING: Scalar<i8> = Scalar::new(0, 0).of(UNION);
    pub(crate) const STRIDE_D: Scalar<i32> = Scalar::new(1, 0).of(UNION);
    pub(crate) const STRIDE_W: Scalar<i32> = Scalar::new(2, 0).of(UNION);
    pub(crate) const STRIDE_H: Scalar<i32> = Scalar::new(3, 0).of(UNION);
    pub(crate) const FUSED_ACTIVATION_FUNCTION: Scalar<i8> = Scalar::new(4, 0).of(UNION);
    pub(crate) const DILATION_D_FACTOR: Scalar<i32> = Scalar::new(5, 1).of(UNION);
    pub(crate) const DILATION_W_FACTOR: Scalar<i32> = Scalar::new(6, 1).of(UNION);
    pub(crate) const DILATION_H_FACTOR: Scalar<i32> = Scalar::new(7, 1).of(UNION);
}

pub(crate) mod pool2d_options {
    use super::*;
    pub(crate) const UNION: u8 = 5;
    pub(crate) const PADDING: Scalar<i8> = Scalar::new(0, 0).of(UNION);
    pub(crate) const STRIDE_W: Scalar<i32> = Scalar::new(1, 0).of(UNION);
    pub(crate) const STRIDE_H: Scalar<i32> = Scalar::new(2, 0).of(UNION);
    pub(crate) const FILTER_WIDTH: Scalar<i32> = Scalar::new(3, 0).of(UNION);
    pub(crate) const FILTER_HEIGHT: Scalar<i32> = Scalar::new(4, 0).of(UNION);
    pub(crate) const FUSED_ACTIVATION_FUNCTION: Scalar<i8> = Scalar::new(5, 0).of(UNION);
}

pub(crate) mod depthwise_conv2d_options {
    use super::*;
    pub(crate) const UNION: u8 = 2;
    pub(crate) const PADDING: Scalar<i8> = Scalar::new(0, 0).of(UNION);
    pub(crate) const STRIDE_W: Scalar<i32> = Scalar::new(1, 0).of(UNION);
    pub(crate) const STRIDE_H: Scalar<i32> = Scalar::new(2, 0).of(UNION);
    pub(crate) const DEPTH_MULTIPLIER: Scalar<i32> = Scalar::new(3, 0).of(UNION);
    pub(crate) const FUSED_ACTIVATION_FUNCTION: Scalar<i8> = Scalar::new(4, 0).of(UNION);
    pub(crate) const DILATION_W_FACTOR: Scalar<i32> = Scalar::new(5, 1).of(UNION);
    pub(crate) const DILATION_H_FACTOR: Scalar<i32> = Scalar::new(6, 1).of(UNION);
}

pub(crate) mod svdf_options {
    use super::*;
    pub(crate) const UNION: u8 = 6;
    pub(crate) const RANK: Scalar<i32> = Scalar::new(0, 0).of(UNION);
    pub(crate) const FUSED_ACTIVATION_FUNCTION: Scalar<i8> = Scalar::new(1, 0).of(UNION);
    pub(crate) const ASYMMETRIC_QUANTIZE_INPUTS: Scalar<bool> = Scalar::new(2, false).of(UNION);
}

pub(crate) mod fully_connected_options {
    use super::*;
    pub(crate) const UNION: u8 = 8;
    pub(crate) const FUSED_ACTIVATION_FUNCTION: Scalar<i8> = Scalar::new(0, 0).of(UNION);
    pub(crate) const WEIGHTS_FORMAT: Scalar<i8> = Scalar::new(1, 0).of(UNION);
    pub(crate) const KEEP_NUM_DIMS: Scalar<bool> = Scalar::new(2, false).of(UNION);
    pub(crate) const ASYMMETRIC_QUANTIZE_INPUTS: Scalar<bool> = Scalar::new(3, false).of(UNION);
    pub(crate) const QUANTIZED_BIAS_TYPE: Scalar<i8> = Scalar::new(4, 0).of(UNION);
}

pub(crate) mod softmax_options {
    use super::*;
    pub(crate) const UNION: u8 = 9;
    pub(crate) const BETA: Scalar<f32> = Scalar::new(0, 0.0).of(UNION);
}

pub(crate) mod concatenation_options {
    use super::*;
    pub(crate) const UNION: u8 = 10;
    pub(crate) const AXIS: Scalar<i32> = Scalar::new(0, 0).of(UNION);
    pub(crate) const FUSED_ACTIVATION_FUNCTION: Scalar<i8> = Scalar::new(1, 0).of(UNION);
}

pub(crate) mod add_options {
    use super::*;
    pub(crate) const UNION: u8 = 11;
    pub(crate) const FUSED_ACTIVATION_FUNCTION: Scalar<i8> = Scalar::new(0, 0).of(UNION);
    pub(crate) const POT_SCALE_INT16: Scalar<bool> = Scalar::new(1, true).of(UNION);
}

pub(crate) mod mul_options {
    use super::*;
    pub(crate) const UNION: u8 = 21;
    pub(crate) const FUSED_ACTIVATION_FUNCTION: Scalar<i8> = Scalar::new(0, 0).of(UNION);
}

pub(crate) mod l2norm_options {
    use super::*;
    pub(crate) const UNION: u8 = 12;
    pub(crate) const FUSED_ACTIVATION_FUNCTION: Scalar<i8> = Scalar::new(0, 0).of(UNION);
}

pub(crate) mod local_response_normalization_options {
    use super::*;
    pub(crate) const UNION: u8 = 13;
    pub(crate) const RADIUS: Scalar<i32> = Scalar::new(0, 0).of(UNION);
    pub(crate) const BIAS: Scalar<f32> = Scalar::new(1, 0.0).of(UNION);
    pub(crate) const ALPHA: Scalar<f32> = Scalar::new(2, 0.0).of(UNION);
    pub(crate) const BETA: Scalar<f32> = Scalar::new(3, 0.0).of(UNION);
}

pub(crate) mod unidirectional_sequence_lstm_options {
    use super::*;
    pub(crate) const UNION: u8 = 71;
    pub(crate) const FUSED_ACTIVATION_FUNCTION: Scalar<i8> = Scalar::new(0, 0).of(UNION);
    pub(crate) const CELL_CLIP: Scalar<f32> = Scalar::new(1, 0.0).of(UNION);
    pub(crate) const PROJ_CLIP: Scalar<f32> = Scalar::new(2, 0.0).of(UNION);
    pub(crate) const TIME_MAJOR: Scalar<bool> = Scalar::new(3, false).of(UNION);
    pub(crate) const ASYMMETRIC_QUANTIZE_INPUTS: Scalar<bool> = Scalar::new(4, false).of(UNION);
    pub(crate) const DIAGONAL_RECURRENT_TENSORS: Scalar<bool> = Scalar::new(5, false).of(UNION);
}

pub(crate) mod resize_bilinear_options {
    use super::*;
    pub(crate) const UNION: u8 = 15;
    pub(crate) const NEW_HEIGHT: Scalar<i32> = Scalar::new(0, 0).of(UNION);
    pub(crate) const NEW_WIDTH: Scalar<i32> = Scalar::new(1, 0).of(UNION);
    pub(crate) const ALIGN_CORNERS: Scalar<bool> = Scalar::new(2, false).of(UNION);
    pub(crate) const HALF_PIXEL_CENTERS: Scalar<bool> = Scalar::new(3, false).of(UNION);
}

pub(crate) mod resize_nearest_neighbor_options {
    use super::*;
    pub(crate) const UNION: u8 = 74;
    pub(crate) const ALIGN_CORNERS: Scalar<bool> = Scalar::new(0, false).of(UNION);
    pub(crate) const HALF_PIXEL_CENTERS: Scalar<bool> = Scalar::new(1, false).of(UNION);
}

pub(crate) mod reshape_options {
    use super::*;
    pub(crate) const UNION: u8 = 17;
    pub(crate) const NEW_SHAPE: Reference = Reference::at(0).of(UNION);
}

pub(crate) mod space_to_depth_options {
    use super::*;
    pub(crate) const UNION: u8 = 19;
    pub(crate) const BLOCK_SIZE: Scalar<i32> = Scalar::new(0, 0).of(UNION);
}

pub(crate) mod depth_to_space_options {
    use super::*;
    pub(crate) const UNION: u8 = 94;
    pub(crate) const BLOCK_SIZE: Scalar<i32> = Scalar::new(0, 0).of(UNION);
}

pub(crate) mod sub_options {
    use super::*;
    pub(crate) const UNION: u8 = 28;
    pub(crate) const FUSED_ACTIVATION_FUNCTION: Scalar<i8> = Scalar::new(0, 0).of(UNION);
    pub(crate) const POT_SCALE_INT16: Scalar<bool> = Scalar::new(1, true).of(UNION);
}

pub(crate) mod div_options {
    use super::*;
    pub(crate) const UNION: u8 = 29;
    pub(crate) const FUSED_ACTIVATION_FUNCTION: Scalar<i8> = Scalar::new(0, 0).of(UNION);
}

pub(crate) mod gather_options {
    use super::*;
    pub(crate) const UNION: u8 = 23;
    pub(crate) const AXIS: Scalar<i32> = Scalar::new(0, 0).of(UNION);
    pub(crate) const BATCH_DIMS: Scalar<i32> = Scalar::new(1, 0).of(UNION);
}

pub(crate) mod reducer_options {
    use super::*;
    pub(crate) const UNION: u8 = 27;
    pub(crate) const KEEP_DIMS: Scalar<bool> = Scalar::new(0, false).of(UNION);
}

pub(crate) mod squeeze_options {
    use super::*;
    pub(crate) const UNION: u8 = 30;
    pub(crate) const SQUEEZE_DIMS: Reference = Reference::at(0).of(UNION);
}

pub(crate) mod split_options {
    use super::*;
    pub(crate) const UNION: u8 = 35;
    pub(crate) const NUM_SPLITS: Scalar<i32> = Scalar::new(0, 0).of(UNION);
}

pub(crate) mod split_v_options {
    use super::*;
    pub(crate) const UNION: u8 = 79;
    pub(crate) const NUM_SPLITS: Scalar<i32> = Scalar::new(0, 0).of(UNION);
}

pub(crate) mod strided_slice_options {
    use super::*;
    pub(crate) const UNION: u8 = 32;
    pub(crate) const BEGIN_MASK: Scalar<i32> = Scalar::new(0, 0).of(UNION);
    pub(crate) const END_MASK: Scalar<i32> = Scalar::new(1, 0).of(UNION);
    pub(crate) const ELLIPSIS_MASK: Scalar<i32> = Scalar::new(2, 0).of(UNION);
    pub(crate) const NEW_AXIS_MASK: Scalar<i32> = Scalar::new(3, 0).of(UNION);
    pub(crate) const SHRINK_AXIS_MASK: Scalar<i32> = Scalar::new(4, 0).of(UNION);
    pub(crate) const OFFSET: Scalar<bool> = Scalar::new(5, false).of(UNION);
}

pub(crate) mod cast_options {
    use super::*;
    pub(crate) const UNION: u8 = 37;
    pub(crate) const IN_DATA_TYPE: Scalar<i8> = Scalar::new(0, 0).of(UNION);
    pub(crate) const OUT_DATA_TYPE: Scalar<i8> = Scalar::new(1, 0).of(UNION);
}

pub(crate) mod arg_max_options {
    use super::*;
    pub(crate) const UNION: u8 = 40;
    pub(crate) const OUTPUT_TYPE: Scalar<i8> = Scalar::new(0, 0).of(UNION);
}

pub(crate) mod arg_min_options {
    use super::*;
    pub(crate) const UNION: u8 = 57;
    pub(crate) const OUTPUT_TYPE: Scalar<i8> = Scalar::new(0, 0).of(UNION);
}

pub(crate) mod transpose_conv_options {
    use super::*;
    pub(crate) const UNION: u8 = 49;
    pub(crate) const PADDING: Scalar<i8> = Scalar::new(0, 0).of(UNION);
    pub(crate) const STRIDE_W: Scalar<i32> = Scalar::new(1, 0).of(UNION);
    pub(crate) const STRIDE_H: Scalar<i32> = Scalar::new(2, 0).of(UNION);
    pub(crate) const FUSED_ACTIVATION_FUNCTION: Scalar<i8> = Scalar::new(3, 0).of(UNION);
    pub(crate) const QUANTIZED_BIAS_TYPE: Scalar<i8> = Scalar::new(4, 0).of(UNION);
}

pub(crate) mod shape_options {
    use super::*;
    pub(crate) const UNION: u8 = 55;
    pub(crate) const OUT_TYPE: Scalar<i8> = Scalar::new(0, 0).of(UNION);
}

pub(crate) mod pack_options {
    use super::*;
    pub(crate) const UNION: u8 = 59;
    pub(crate) const VALUES_COUNT: Scalar<i32> = Scalar::new(0, 0).of(UNION);
    pub(crate) const AXIS: Scalar<i32> = Scalar::new(1, 0).of(UNION);
}

pub(crate) mod one_hot_options {
    use super::*;
    pub(crate) const UNION: u8 = 61;
    pub(crate) const AXIS: Scalar<i32> = Scalar::new(0, 0).of(UNION);
}

pub(crate) mod unpack_options {
    use super::*;
    pub(crate) const UNION: u8 = 64;
    pub(crate) const NUM: Scalar<i32> = Scalar::new(0, 0).of(UNION);
    pub(crate) const AXIS: Scalar<i32> = Scalar::new(1, 0).of(UNION);
}

pub(crate) mod leaky_relu_options {
    use super::*;
    pub(crate) const UNION: u8 = 75;
    pub(crate) const ALPHA: Scalar<f32> = Scalar::new(0, 0.0).of(UNION);
}

pub(crate) mod mirror_pad_options {
    use super::*;
    pub(crate) const UNION: u8 = 77;
    pub(crate) const MODE: Scalar<i8> = Scalar::new(0, 0).of(UNION);
}

pub(crate) mod reverse_sequence_options {
    use super::*;
    pub(crate) const UNION: u8 = 87;
    pub(crate) const SEQ_DIM: Scalar<i32> = Scalar::new(0, 0).of(UNION);
    pub(crate) const BATCH_DIM: Scalar<i32> = Scalar::new(1, 0).of(UNION);
}

pub(crate) mod if_options {
    use super::*;
    pub(crate) const UNION: u8 = 92;
    pub(crate) const THEN_SUBGRAPH_INDEX: Scalar<i32> = Scalar::new(0, 0).of(UNION);
    pub(crate) const ELSE_SUBGRAPH_INDEX: Scalar<i32> = Scalar::new(1, 0).of(UNION);
}

pub(crate) mod call_once_options {
    use super::*;
    pub(crate) const UNION: u8 = 103;
    pub(crate) const INIT_SUBGRAPH_INDEX: Scalar<i32> = Scalar::new(0, 0).of(UNION);
}

pub(crate) mod while_options {
    use super::*;
    pub(crate) const UNION: u8 = 93;
    pub(crate) const COND_SUBGRAPH_INDEX: Scalar<i32> = Scalar::new(0, 0).of(UNION);
    pub(crate) const BODY_SUBGRAPH_INDEX: Scalar<i32> = Scalar::new(1, 0).of(UNION);
}

pub(crate) mod batch_mat_mul_options {
    use super::*;
    pub(crate) const UNION: u8 = 101;
    pub(crate) const ADJ_X: Scalar<bool> = Scalar::new(0, false).of(UNION);
    pub(crate) const ADJ_Y: Scalar<bool> = Scalar::new(1, false).of(UNION);
    pub(crate) const ASYMMETRIC_QUANTIZE_INPUTS: Scalar<bool> = Scalar::new(2, false).of(UNION);
}

pub(crate) mod cumsum_options {
    use super::*;
    pub(crate) const UNION: u8 = 102;
    pub(crate) const EXCLUSIVE: Scalar<bool> = Scalar::new(0, false).of(UNION);
    pub(crate) const REVERSE: Scalar<bool> = Scalar::new(1, false).of(UNION);
}

pub(crate) mod var_handle_options {
    use super::*;
    pub(crate) const UNION: u8 = 111;
    pub(crate) const CONTAINER: Reference = Reference::at(0).of(UNION);
    pub(crate) const SHARED_NAME: Reference = Reference::at(1).of(UNION);
}

pub(crate) mod bucketize_options {
    use super::*;
    pub(crate) const UNION: u8 = 115;
    pub(crate) const BOUNDARIES: Reference = Reference::at(0).of(UNION);
}

pub(crate) mod gelu_options {
    use super::*;
    pub(crate) const UNION: u8 = 116;
    pub(crate) const APPROXIMATE: Scalar<bool> = Scalar::new(0, false).of(UNION);
}

pub(crate) mod operator_code {
    use super::*;
    pub(crate) const DEPRECATED_BUILTIN_CODE: Scalar<i8> = Scalar::new(0, 0);
    pub(crate) const CUSTOM_CODE: Reference = Reference::at(1);
    pub(crate) const VERSION: Scalar<i32> = Scalar::new(2, 1);
    pub(crate) const BUILTIN_CODE: Scalar<i32> = Scalar::new(3, 0);
}

pub(crate) mod stable_hlo_composite_options {
    use super::*;
    pub(crate) const UNION_2: u8 = 21;
    pub(crate) const NAME: Reference = Reference::at(0);
    pub(crate) const DECOMPOSITION_SUBGRAPH_INDEX: Scalar<i32> = Scalar::new(1, 0);
    pub(crate) const COMPOSITE_ATTRIBUTES: Reference = Reference::at(2);
    pub(crate) const COMPOSITE_ATTRIBUTES_FORMAT: Scalar<i8> = Scalar::new(3, 0);
    pub(crate) const VERSION: Scalar<i32> = Scalar::new(4, 0);
}

pub(crate) mod operator {
    use super::*;
    pub(crate) const OPCODE_INDEX: Scalar<u32> = Scalar::new(0, 0);
    pub(crate) const INPUTS: Reference = Reference::at(1);
    pub(crate) const OUTPUTS: Reference = Reference::at(2);
    pub(crate) const BUILTIN_OPTIONS_TYPE: Scalar<u8> = Scalar::new(3, 0);
    pub(crate) const BUILTIN_OPTIONS: Reference = Reference::at(4);
    pub(crate) const CUSTOM_OPTIONS: Reference = Reference::at(5);
    pub(crate) const CUSTOM_OPTIONS_FORMAT: Scalar<i8> = Scalar::new(6, 0);
    pub(crate) const MUTATING_VARIABLE_INPUTS: Reference = Reference::at(7);
    pub(crate) const INTERMEDIATES: Reference = Reference::at(8);
    pub(crate) const LARGE_CUSTOM_OPTIONS_OFFSET: Scalar<u64> = Scalar::new(9, 0);
    pub(crate) const LARGE_CUSTOM_OPTIONS_SIZE: Scalar<u64> = Scalar::new(10, 0);
    pub(crate) const BUILTIN_OPTIONS_2_TYPE: Scalar<u8> = Scalar::new(11, 0);
    pub(crate) const BUILTIN_OPTIONS_2: Reference = Reference::at(12);
    pub(crate) const DEBUG_METADATA_INDEX: Scalar<i32> = Scalar::new(13, -1);
}

pub(crate) mod sub_graph {
    use super::*;
    pub(crate) const TENSORS: Reference = Reference::at(0);
    pub(crate) const INPUTS: Reference = Reference::at(1);
    pub(crate) const OUTPUTS: Reference = Reference::at(2);
    pub(crate) const OPERATORS: Reference = Reference::at(3);
    pub(crate) const NAME: Reference = Reference::at(4);
    pub(crate) const DEBUG_METADATA_INDEX: Scalar<i32> = Scalar::new(5, -1);
}

pub(crate) mod buffer {
    use super::*;
    pub(crate) const DATA: Reference = Reference::at(0);
    pub(crate) const OFFSET: Scalar<u64> = Scalar::new(1, 0);
    pub(crate) const SIZE: Scalar<u64> = Scalar::new(2, 0);
}

pub(crate) mod model {
    use super::*;
    pub(crate) const VERSION: Scalar<u32> = Scalar::new(0, 0);
    pub(crate) const OPERATOR_CODES: Reference = Reference::at(1);
    pub(crate) const SUBGRAPHS: Reference = Reference::at(2);
    pub(crate) const DESCRIPTION: Reference = Reference::at(3);
    pub(crate) const BUFFERS: Reference = Reference::at(4);
    pub(crate) const METADATA_BUFFER: Reference = Reference::at(5);
    pub(crate) const METADATA: Reference = Reference::at(6);
    pub(crate) const SIGNATURE_DEFS: Reference = Reference::at(7);
    pub(crate) const EXTERNAL_BUFFER_GROUPS: Reference = Reference::at(8);
    pub(crate) const EXTERNAL_BUFFERS: Reference = Reference::at(9);
}
