// Which browser this is, by the rules pages have come to rely on.

declare global {
  interface Window {
    chrome?: unknown;
  }
}

const agent = (): string => navigator.userAgent;

/** Answers questions about the browser. */
export const Browser = {
  isIE: (): boolean => /Trident|MSIE/.test(agent()),
  isFirefox: (): boolean => "InstallTrigger" in window,
  isChrome: (): boolean =>
    Boolean(window.chrome) && /Chrome/.test(agent()) && /Google Inc/.test(navigator.vendor) && !/OPR/.test(agent()),
  isEdge: (): boolean => /Edge\//.test(agent()),
  isOpera: (): boolean => /OPR\//.test(agent()),
  isiOS: (): boolean => /iPad|iPhone|iPod/.test(agent()),
  isSafari: (): boolean => /safari|applewebkit/i.test(agent()) && !/chrome|android/i.test(agent()),
  isAndroid: (): boolean => /Android/i.test(agent()),
  isSamsungBrowser: (): boolean => /SamsungBrowser/i.test(agent()),
  isAndroidFirefox: (): boolean => /Android/i.test(agent()) && /Firefox/i.test(agent()),
  isChromiumEdge: (): boolean => Boolean(window.chrome) && /Edg\//.test(agent()),
  isSafariWebRTC: (): boolean => Browser.isSafari() && Boolean(navigator.mediaDevices),
  version: (): string | number => /(?:Chrome|Firefox|Version|Edg)\/(\d+)/.exec(agent())?.[1] ?? 0,
};
