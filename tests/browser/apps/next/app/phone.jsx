"use client";
import { useEffect } from "react";
import { constants, getMediaProviders } from "offhook";

/** The page of the suites as a client component. Its first rendering on the server uses the package as far as possible. */
export function Phone() {
  useEffect(() => void import("../module.js"), []);
  return (
    <main data-providers={getMediaProviders().join(" ")} data-status={constants.CALL_STATUS.NEW}>
      <div id="local" />
      <div id="remote" />
    </main>
  );
}
