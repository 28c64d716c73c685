// Forms with data-passkey: ask the server for the options of a WebAuthn ceremony, have the browser
// perform it, and send the form with its answer.
"use strict";
(() => {
  if (window.passkeyForms) return;
  window.passkeyForms = true;

  const octets = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
  const encoded = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  const readable = (options) => {
    options.challenge = octets(options.challenge);
    if (options.user) options.user.id = octets(options.user.id);
    for (const list of ["excludeCredentials", "allowCredentials"])
      for (const one of options[list] || []) one.id = octets(one.id);
    return options;
  };

  const written = (credential) => {
    const response = { clientDataJSON: encoded(credential.response.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"])
      if (credential.response[name]) response[name] = encoded(credential.response[name]);
    return JSON.stringify({
      id: credential.id, rawId: encoded(credential.rawId), type: credential.type, response,
    });
  };

  const perform = async (form) => {
    const fields = new FormData(form);
    fields.delete("credential");
    fields.set("begin", "yes");
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(fields) });
    const type = answer.headers.get("content-type") || "";
    if (!type.startsWith("application/json")) {
      form.submit(); // refused: the answer to an empty credential is the page that says why
      return;
    }
    const publicKey = readable(await answer.json());
    const ceremony = form.dataset.passkey;
    const credential = await navigator.credentials[ceremony]({ publicKey });
    form.elements.credential.value = written(credential);
    form.submit();
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset.passkey) return;
    event.preventDefault();
    const failed = form.querySelector(".error");
    failed.hidden = true;
    perform(form).catch(() => { failed.hidden = false; });
  });
})();
