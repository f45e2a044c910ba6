// Permissions policies (W3C Permissions Policy), by which a page or an <iframe> is refused microphone and camera.

/** The features that a policy names. */
export type Feature = "microphone" | "camera" | "display-capture";

interface Policy {
  allowsFeature(feature: string): boolean;
}

/**
 * Returns the exception of a refused capture with a text that names the missing permissions policy, if there is one. The browser's
 * own text does not distinguish it from a refusal by the user.
 */
export function explained(error: unknown, features: Feature[]): unknown {
  if ((error as Error)?.name !== "NotAllowedError") return error;
  const policy = (document as { featurePolicy?: Policy }).featurePolicy;
  // Firefox and Safari do not reveal the policy. Its default excludes documents of another origin.
  const forbidden = policy ? features.filter((feature) => !policy.allowsFeature(feature)) : isForeign() ? features : [];
  if (!forbidden.length) return error;
  const frame = `the <iframe> of the page needs allow="${forbidden.join("; ")}"`;
  const header = `no Permissions-Policy header may exclude ${forbidden.join(", ")}`;
  const cause = window.parent === window ? header : `${frame}, and ${header}`;
  return new DOMException(`${(error as Error).message} (permissions policy: ${cause})`, "NotAllowedError");
}

/** Whether the page is in a frame of a page of another origin. */
function isForeign(): boolean {
  try {
    return !window.top!.location.href;
  } catch {
    return true;
  }
}
