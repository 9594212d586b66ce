from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from storage.api.files import FileViewSet
from storage.api.uploads import ReceiveView, UploadViewSet

router = SimpleRouter(use_regex_path=False)
router.register("files", FileViewSet, basename="file")

urlpatterns = [
    path("files/upload-url/", UploadViewSet.as_view({"post": "create"}), name="file-upload-url"),
    path("files/<uuid:pk>/complete/", UploadViewSet.as_view({"post": "complete"}), name="file-complete"),
    path("files/received/<str:token>/", ReceiveView.as_view(), name="file-upload-receive"),
    *router.urls,
]
