declare module "offhook-core-base64" {
  const base64: string;
  export default base64;
}
