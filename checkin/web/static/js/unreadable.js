// Says so where a browser cannot read the page's modules, or one of them did not come, and nothing else would be shown. No
// module itself, and in words that every browser knows.

(function () {
  function show(id) {
    document.getElementById(id).hidden = false;
  }

  function unfit() {
    show("unfit");
  }

  function incomplete() {
    if (document.getElementById("unfit").hidden) show("not-started");
  }

  if (!("noModule" in document.createElement("script"))) addEventListener("DOMContentLoaded", unfit);
  addEventListener("error", function (event) {
    if (event.error instanceof SyntaxError && !document.body.hasAttribute("data-started")) unfit();
  });
  // A script that does not come tells its own element alone, which only a listener on the way down hears.
  addEventListener(
    "error",
    function (event) {
      if (event.target.tagName !== "SCRIPT") return;
      if (document.readyState === "loading") addEventListener("DOMContentLoaded", incomplete);
      else incomplete();
    },
    true,
  );
})();
