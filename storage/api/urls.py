from __future__ import annotations

from rest_framework.routers import SimpleRouter

from storage.api.files import FileViewSet

router = SimpleRouter(use_regex_path=False)
router.register("files", FileViewSet, basename="file")

urlpatterns = router.urls
