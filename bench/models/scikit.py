"""Exports estimators of scikit-learn as skl2onnx does it when nothing is asked for (class labels in a ZipMap), with inputs and what onnxruntime
gives for them, for the test `scikit` of teff-compile: `scikit.py ARCHIVE.tar.gz [NAME ...]`.

The labels and probabilities must also be those of the estimator itself, or the script fails. Strings are held as their positions among the
classes, the maps of a ZipMap as rows."""

import gzip
import io
import sys
import tarfile
import warnings

import numpy as np
import onnxruntime
from onnx import numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import Int64TensorType
from sklearn import (calibration, cluster, compose, decomposition, discriminant_analysis, ensemble, feature_selection, gaussian_process,
                     impute, linear_model, mixture, multiclass, multioutput, naive_bayes, neighbors, neural_network, pipeline, preprocessing,
                     svm, tree)
from sklearn.datasets import load_diabetes, load_digits, load_iris

ROWS = 3
iris, kinds = load_iris(return_X_y=True)
iris = iris.astype(np.float32)
two = (kinds > 0).astype(np.int64)
names = np.array(["setosa", "versicolor", "virginica"])[kinds]
whole = (iris * 10).astype(np.int64)
body, progress = load_diabetes(return_X_y=True)
body, progress = body[:120].astype(np.float32), progress[:120]
digits, digit = load_digits(return_X_y=True)
digits, digit = digits[:150].astype(np.float32), digit[:150]

then = pipeline.make_pipeline
logistic = lambda: linear_model.LogisticRegression(max_iter=300)
shallow = lambda: tree.DecisionTreeClassifier(max_depth=4, random_state=0)

# name: (estimator, inputs, targets)
ESTIMATORS = {
    "svc": (svm.SVC(), iris, kinds),
    "svc_two": (svm.SVC(), iris, two),
    "svc_strings": (svm.SVC(probability=True, random_state=0), iris, names),
    "svc_probability": (svm.SVC(probability=True, random_state=0), iris, kinds),
    "svc_probability_two": (svm.SVC(probability=True, random_state=0), iris, two),
    "svc_probability_scaled": (then(preprocessing.StandardScaler(), svm.SVC(probability=True, random_state=0)), iris, kinds),
    "svc_digits": (then(decomposition.PCA(6, random_state=0), svm.SVC(probability=True, random_state=0)), digits, digit),
    "svc_narrow": (svm.SVC(gamma=40.0), iris, kinds),
    "svc_polynomial": (svm.SVC(kernel="poly"), iris, kinds),
    "svc_linear": (svm.SVC(kernel="linear"), iris, kinds),
    "svc_sigmoid": (svm.SVC(kernel="sigmoid"), iris, kinds),
    "svc_whole": (svm.SVC(), whole, kinds),
    "nu_svc": (svm.NuSVC(), iris, kinds),
    "linear_svc": (svm.LinearSVC(random_state=0), iris, kinds),
    "one_class_svm": (svm.OneClassSVM(), iris, None),
    "svr": (svm.SVR(C=50.0), body, progress),
    "svr_linear": (svm.SVR(kernel="linear"), body, progress),
    "nu_svr": (svm.NuSVR(), body, progress),
    "linear_svr": (svm.LinearSVR(random_state=0), body, progress),
    "logistic": (logistic(), iris, kinds),
    "logistic_strings": (logistic(), iris, names),
    "logistic_two": (logistic(), iris, two),
    "sgd": (linear_model.SGDClassifier(loss="log_loss", random_state=0), iris, names),
    "ridge_classifier": (linear_model.RidgeClassifier(), iris, kinds),
    "perceptron": (linear_model.Perceptron(random_state=0), iris, kinds),
    "linear": (linear_model.LinearRegression(), body, progress),
    "linear_many": (multioutput.MultiOutputRegressor(linear_model.Ridge()), body, np.stack([progress, -progress], 1)),
    "poisson": (linear_model.PoissonRegressor(), body, progress),
    "tree": (tree.DecisionTreeClassifier(random_state=0), iris, kinds),
    "tree_strings": (tree.DecisionTreeClassifier(random_state=0), iris, names),
    "tree_whole": (tree.DecisionTreeClassifier(random_state=0), whole, kinds),
    "tree_regressor": (tree.DecisionTreeRegressor(max_depth=5, random_state=0), body, progress),
    "forest": (ensemble.RandomForestClassifier(6, max_depth=5, random_state=0), iris, kinds),
    "forest_two": (ensemble.RandomForestClassifier(6, max_depth=5, random_state=0), iris, two),
    "forest_regressor": (ensemble.RandomForestRegressor(4, max_depth=4, random_state=0), body, np.stack([progress, -progress], 1)),
    "extra_trees": (ensemble.ExtraTreesClassifier(4, max_depth=4, random_state=0), iris, kinds),
    "boosting": (ensemble.GradientBoostingClassifier(n_estimators=4, random_state=0), iris, kinds),
    "boosting_two": (ensemble.GradientBoostingClassifier(n_estimators=4, random_state=0), iris, two),
    "boosting_regressor": (ensemble.GradientBoostingRegressor(n_estimators=4, random_state=0), body, progress),
    "ada_boost": (ensemble.AdaBoostClassifier(n_estimators=4, random_state=0), iris, names),
    "ada_boost_regressor": (ensemble.AdaBoostRegressor(n_estimators=3, random_state=0), body, progress),
    "bagging": (ensemble.BaggingClassifier(n_estimators=3, random_state=0), iris, names),
    "isolation_forest": (ensemble.IsolationForest(n_estimators=3, random_state=0), iris, None),
    "voting": (ensemble.VotingClassifier([("a", logistic()), ("b", shallow())], flatten_transform=False), iris, kinds),
    "voting_soft": (ensemble.VotingClassifier([("a", logistic()), ("b", shallow())], voting="soft", flatten_transform=False), iris, kinds),
    "stacking": (ensemble.StackingClassifier([("a", logistic()), ("b", shallow())]), iris, names),
    "neighbours": (neighbors.KNeighborsClassifier(), iris, names),
    "neighbours_weighted": (neighbors.KNeighborsClassifier(weights="distance"), iris + np.float32(0.01), kinds),
    "neighbours_regressor": (neighbors.KNeighborsRegressor(), body, progress),
    "outlier_factor": (neighbors.LocalOutlierFactor(novelty=True, n_neighbors=5), iris, None),
    "naive_gaussian": (naive_bayes.GaussianNB(), iris, names),
    "naive_multinomial": (naive_bayes.MultinomialNB(), iris, kinds),
    "naive_bernoulli": (naive_bayes.BernoulliNB(binarize=2.0), iris, kinds),
    "naive_complement": (naive_bayes.ComplementNB(), iris, kinds),
    "lda": (discriminant_analysis.LinearDiscriminantAnalysis(), iris, kinds),
    "qda": (discriminant_analysis.QuadraticDiscriminantAnalysis(), iris, names),
    "mlp": (then(preprocessing.StandardScaler(), neural_network.MLPClassifier((16, 8), max_iter=300, random_state=0)), iris, names),
    "mlp_regressor": (neural_network.MLPRegressor(hidden_layer_sizes=(12,), activation="tanh", max_iter=400, random_state=0), body, progress),
    "gaussian_process": (gaussian_process.GaussianProcessRegressor(), body[:40], progress[:40]),
    "gaussian_mixture": (mixture.GaussianMixture(3, random_state=0), iris, None),
    "k_means": (cluster.KMeans(3, random_state=0, n_init=1), iris, None),
    "one_against_rest": (multiclass.OneVsRestClassifier(logistic()), iris, names),
    "one_against_one": (multiclass.OneVsOneClassifier(logistic()), iris, kinds),
    "calibrated": (calibration.CalibratedClassifierCV(logistic()), iris, names),
    "calibrated_isotonic": (calibration.CalibratedClassifierCV(shallow(), method="isotonic"), iris, kinds),
    "many_targets": (multioutput.MultiOutputClassifier(logistic()), iris, np.stack([kinds, two], 1)),
    "pca": (then(preprocessing.MinMaxScaler(), decomposition.PCA(2), logistic()), iris, kinds),
    "kernel_pca": (then(decomposition.KernelPCA(2, kernel="rbf"), logistic()), iris[::3], kinds[::3]),
    "polynomial": (then(preprocessing.PolynomialFeatures(2), logistic()), iris, kinds),
    "bins": (then(preprocessing.KBinsDiscretizer(3, encode="onehot-dense", quantile_method="averaged_inverted_cdf"), logistic()), iris, kinds),
    "imputed": (then(impute.SimpleImputer(), preprocessing.RobustScaler(), logistic()), iris, kinds),
    "united": (pipeline.make_pipeline(pipeline.make_union(preprocessing.StandardScaler(), decomposition.PCA(2)), shallow()), iris, kinds),
    "columns": (then(compose.ColumnTransformer([("a", preprocessing.StandardScaler(), [0, 1]),
                                                ("b", preprocessing.OneHotEncoder(handle_unknown="ignore"), [2, 3])]), logistic()), whole, kinds),
    "ordinal": (then(preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), shallow()), whole, kinds),
    "selected": (then(feature_selection.SelectKBest(k=2), logistic()), iris, kinds),
    "quantiles": (then(preprocessing.QuantileTransformer(n_quantiles=20), logistic()), iris, kinds),
    "powers": (then(preprocessing.PowerTransformer(), logistic()), iris, kinds),
    "normalised": (then(preprocessing.Normalizer(), logistic()), iris, kinds),
}


def held(value, classes):
    """An output of onnxruntime as the arrays that stand for it."""
    if isinstance(value, list):
        if isinstance(value[0], dict):
            return [np.array([list(row.values()) for row in value], np.float32)]
        return [array for each in value for array in held(each, classes)]
    if value.dtype.kind in "OU":
        positions = {name: i for i, name in enumerate(classes)}
        value = np.array([positions[v] for v in value.ravel()], np.int64).reshape(value.shape)
    return [value]


def checked(name, estimator, x, classes, outputs):
    """That the first output is what the estimator predicts, and the second its probabilities, where it has them."""
    def near(found, wanted, what):
        wanted = np.asarray(wanted, np.float64).reshape(found.shape)
        apart = np.abs(found - wanted).max()
        if not apart <= 1e-4 * max(1.0, np.abs(wanted).max()):
            sys.exit(f"{name}: {what} are {apart} from the estimator's")

    if not hasattr(estimator, "predict") or name == "many_targets":
        return
    predicted = estimator.predict(x)
    if predicted.dtype.kind in "OU":
        predicted = np.array([list(classes).index(p) for p in predicted])
    near(outputs[0], predicted, "predictions")
    if hasattr(estimator, "predict_proba") and len(outputs) == 2:
        probabilities = estimator.predict_proba(x)
        if not isinstance(probabilities, list):
            near(outputs[1], probabilities, "probabilities")


def exported(name, estimator, inputs, targets):
    estimator.fit(inputs, targets)
    types = [("X", Int64TensorType([None, inputs.shape[1]]))] if inputs.dtype == np.int64 else None
    opsets = {"": 21, "ai.onnx.ml": 3}
    model = to_onnx(estimator, None if types else inputs[:1], initial_types=types, target_opset=opsets)
    # Where the machine that makes it would show, or chance.
    model.producer_version, model.graph.name = "", name
    rows = 1 if name.endswith("_scaled") else ROWS
    x = np.ascontiguousarray(inputs[:: max(1, len(inputs) // rows)][:rows])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    classes = getattr(estimator, "classes_", [])
    outputs = [array for value in session.run(None, {"X": x}) for array in held(value, classes)]
    checked(name, estimator, x, classes, outputs)
    files = {"model.onnx": model.SerializeToString(deterministic=True)}
    for what, arrays in [("input", [x]), ("output", outputs)]:
        files |= {f"{what}_{k}.pb": numpy_helper.from_array(a).SerializeToString() for k, a in enumerate(arrays)}
    return files


def main(archive, wanted):
    warnings.filterwarnings("ignore")
    onnxruntime.set_default_logger_severity(3)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, (estimator, inputs, targets) in ESTIMATORS.items():
            if wanted and name not in wanted:
                continue
            for file, data in exported(name, estimator, inputs, targets).items():
                info = tarfile.TarInfo(f"{name}/{file}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            print(name)
    with open(archive, "wb") as out, gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9, mtime=0, filename="") as packed:
        packed.write(raw.getvalue())


if __name__ == "__main__":
    main(sys.argv[1], set(sys.argv[2:]))
