// Shows the OpenAPI document. A call made from the page uses the reader's session, so it carries the CSRF token.
const root = document.getElementById("api");
window.ui = SwaggerUIBundle({
  url: root.dataset.schema,
  domNode: root,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  requestInterceptor: (request) => {
    if (new URL(request.url, location.href).origin === location.origin && root.dataset.csrf) {
      request.headers["X-CSRFToken"] = root.dataset.csrf;
    }
    return request;
  },
});
