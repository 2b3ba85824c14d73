"""The reviews of a project, taken in task by task: what they come to, and the masks to be exported."""

from collections.abc import Sequence

from backend.evaluation.reviewed_masks import ReviewedImage, SizeOf, reviewed_image
from backend.jobs.agreement import GenerationAgreement, ProjectAgreement, by_generation, review_agreement
from backend.labelstudio.errors import ImageUnavailableError, PermanentError
from backend.labelstudio.label_config import Control
from backend.labelstudio.review import RegionReview, Review, compare
from backend.labelstudio.task_data import task_value


class Reviews:
    """Counts reviews, and keeps the masks of one of each task.

    Args:
        controls: of the label config.
        size_of: height and width of an image; None: masks are not kept.
    """

    def __init__(self, controls: Sequence[Control], *, size_of: SizeOf | None = None) -> None:
        self._controls = controls
        names = dict.fromkeys(each.to_name for each in controls)
        self._by_image = [[each for each in controls if each.to_name == name] for name in names]
        self._size_of = size_of
        self._agreements: list[GenerationAgreement] = []
        self._problems: list[str] = []
        self.images: list[ReviewedImage] = []

    def take(self, reviews: Sequence[Review]) -> None:
        """Take in the reviews of one task; the last one is exported, or the last one with a star."""
        compared = {id(review): self._compare(review) for review in reviews}
        usable = [review for review in reviews if compared[id(review)] is not None]
        if usable and self._size_of:
            best = max(usable, key=lambda each: (each.ground_truth, each.annotation_id))
            self._keep(best, compared[id(best)] or [], self._size_of)

    def agreement(self) -> ProjectAgreement:
        """What all of them came to."""
        return ProjectAgreement(by_generation(self._agreements), tuple(self._problems))

    def _compare(self, review: Review) -> list[RegionReview] | None:
        """What became of the regions; None after noting why they cannot be compared."""
        try:
            outcomes = compare(review, self._controls)
        except PermanentError as exc:
            self._note(review, exc)
            return None
        self._agreements.append(review_agreement(review.model_version, review.prediction_id, outcomes))
        return outcomes

    def _keep(self, review: Review, outcomes: list[RegionReview], size_of: SizeOf) -> None:
        """Keep what is on each image of the task; where there are several, some tasks may lack one."""
        places = [(each, item) for each in self._by_image for item in each[0].items_of(review.task_data)]
        for controls, item in places:
            if len(places) > 1 and not task_value(review.task_data, controls[0].key_of(item)):
                continue
            try:
                self.images.append(reviewed_image(review, outcomes, controls, size_of, item=item))
            except (PermanentError, ImageUnavailableError) as exc:
                self._note(review, exc)

    def _note(self, review: Review, error: Exception) -> None:
        self._problems.append(f"annotation {review.annotation_id} of task {review.task_id}: {error}")
