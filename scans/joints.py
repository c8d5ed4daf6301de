"""The points of a body that are known of a scan: COCO's 17 and 6 of the feet where the catalogue has them, the head always."""

from scans.catalogue import ScanRecord

#: COCO's and COCO-WholeBody's names, in their order.
BODY = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip


def joints(record: ScanRecord) -> dict[str, tuple[float, float, float]]:
    """Name -> (x, y, z), metres in the canonical frame: those of BODY that are known, and `head`, its centre."""
    known = {name: record.keypoints[name] for name in BODY if name in record.keypoints}
    return {name: (float(x), float(y), float(z)) for name, (x, y, z) in {**known, "head": record.head}.items()}
