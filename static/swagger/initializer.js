// A file of its own, as the page's Content-Security-Policy forbids scripts within it.
"use strict";

window.ui = SwaggerUIBundle({
  url: "/static/api.yaml",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  // A token lives as long as the page does.
  persistAuthorization: false,
  // It would be asked of somebody else's server.
  validatorUrl: null,
});
