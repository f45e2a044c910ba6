declare module "offhook-core-hex" {
  const hex: string;
  export default hex;
}
