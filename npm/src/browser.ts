// Detection of the browser, by the rules of the original SDK.

declare global {
  interface Window {
    chrome?: unknown;
  }
}

const agent = (): string => navigator.userAgent;

/** Detection of the browser. Each member is evaluated anew at every call. */
export const Browser = {
  /** Internet Explorer. */
  isIE: (): boolean => /Trident|MSIE/.test(agent()),
  /** Firefox for desktop, by its global `InstallTrigger`. */
  isFirefox: (): boolean => "InstallTrigger" in window,
  /** Chrome, and Chromium with the vendor "Google Inc"; not Opera. */
  isChrome: (): boolean =>
    Boolean(window.chrome) && /Chrome/.test(agent()) && /Google Inc/.test(navigator.vendor) && !/OPR/.test(agent()),
  /** Edge before version 79 (EdgeHTML). */
  isEdge: (): boolean => /Edge\//.test(agent()),
  /** Opera, based on Chromium. */
  isOpera: (): boolean => /OPR\//.test(agent()),
  /** iPhone, iPad or iPod, in any browser. */
  isiOS: (): boolean => /iPad|iPhone|iPod/.test(agent()),
  /** Safari, and other browsers based on WebKit. */
  isSafari: (): boolean => /safari|applewebkit/i.test(agent()) && !/chrome|android/i.test(agent()),
  /** Android, in any browser. */
  isAndroid: (): boolean => /Android/i.test(agent()),
  /** Samsung Internet. */
  isSamsungBrowser: (): boolean => /SamsungBrowser/i.test(agent()),
  /** Firefox for Android. */
  isAndroidFirefox: (): boolean => /Android/i.test(agent()) && /Firefox/i.test(agent()),
  /** Edge from version 79 on (Chromium). */
  isChromiumEdge: (): boolean => Boolean(window.chrome) && /Edg\//.test(agent()),
  /** Safari on a page that has media devices: from https or `localhost`. */
  isSafariWebRTC: (): boolean => Browser.isSafari() && Boolean(navigator.mediaDevices),
  /** The major version, or 0 if it is unknown. */
  version: (): string | number => /(?:Chrome|Firefox|Version|Edg)\/(\d+)/.exec(agent())?.[1] ?? 0,
};
