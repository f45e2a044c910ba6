import { Phone } from "./phone.jsx";

/** Rendered for every request, so that the server imports the package, too. */
export const dynamic = "force-dynamic";

export default function Page() {
  return <Phone />;
}
