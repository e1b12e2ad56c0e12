package org.pgoffload.operations.credentials;

import java.io.IOException;
import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import javax.security.auth.x500.X500Principal;
import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509ExtensionUtils;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;

/// A certificate authority that lives in memory alone: it signs what one installation needs, and
/// its private key is gone with it. All keys are on the curve P-256.
final class CertificateAuthority {

  static final Duration VALIDITY = Duration.ofDays(365);

  private static final X500Principal NAME = new X500Principal("CN=pgoffload local authority");

  /// A clock that is set back a little must not make the certificates invalid.
  private static final Duration ANTEDATED = Duration.ofDays(1);

  private final Instant now;
  private final Duration validity;
  private final KeyPair keys = newKeys();
  private final X509Certificate certificate;

  /// @param validity how long everything is valid that it signs
  CertificateAuthority(Instant now, Duration validity) {
    this.now = now;
    this.validity = validity;
    this.certificate =
        sign(
            NAME,
            keys.getPublic(),
            List.of(
                // it signs certificates for use, and no other authority
                new Content(Extension.basicConstraints, true, new BasicConstraints(0)),
                new Content(Extension.keyUsage, true, new KeyUsage(KeyUsage.keyCertSign))));
  }

  /// A certificate, and the private key to it.
  record Issued(X509Certificate certificate, PrivateKey key) {}

  /// The authority's own certificate, by which the others are verified.
  X509Certificate certificate() {
    return certificate;
  }

  /// For a server.
  ///
  /// @param called the names and addresses that it is called by, the first of them its common name
  Issued server(List<String> called) {
    var names =
        new GeneralNames(
            called.stream()
                .map(name ->
                    new GeneralName(
                        isAddress(name) ? GeneralName.iPAddress : GeneralName.dNSName, name))
                .toArray(GeneralName[]::new));
    return issue(
        called.getFirst(),
        KeyPurposeId.id_kp_serverAuth,
        List.of(new Content(Extension.subjectAlternativeName, false, names)));
  }

  /// For a client; PostgreSQL maps the name to roles.
  Issued client(String commonName) {
    return issue(commonName, KeyPurposeId.id_kp_clientAuth, List.of());
  }

  private Issued issue(String commonName, KeyPurposeId purpose, List<Content> more) {
    var subject = newKeys();
    var contents = new ArrayList<>(more);
    contents.add(new Content(Extension.basicConstraints, true, new BasicConstraints(false)));
    contents.add(new Content(Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature)));
    contents.add(new Content(Extension.extendedKeyUsage, false, new ExtendedKeyUsage(purpose)));
    return new Issued(
        sign(new X500Principal("CN=" + commonName), subject.getPublic(), contents),
        subject.getPrivate());
  }

  /// An extension of a certificate.
  private record Content(ASN1ObjectIdentifier type, boolean critical, ASN1Encodable value) {}

  private X509Certificate sign(X500Principal subject, PublicKey key, List<Content> contents) {
    try {
      var identifiers = new JcaX509ExtensionUtils();
      var builder =
          new JcaX509v3CertificateBuilder(
                  NAME,
                  new BigInteger(127, new SecureRandom()),
                  Date.from(now.minus(ANTEDATED)),
                  Date.from(now.plus(validity)),
                  subject,
                  key)
              // strict verifiers ask for both
              .addExtension(
                  Extension.subjectKeyIdentifier,
                  false,
                  identifiers.createSubjectKeyIdentifier(key))
              .addExtension(
                  Extension.authorityKeyIdentifier,
                  false,
                  identifiers.createAuthorityKeyIdentifier(keys.getPublic()));
      for (var content : contents) {
        builder.addExtension(content.type(), content.critical(), content.value());
      }
      var signer = new JcaContentSignerBuilder("SHA256withECDSA").build(keys.getPrivate());
      return new JcaX509CertificateConverter().getCertificate(builder.build(signer));
    } catch (GeneralSecurityException | OperatorCreationException | IOException e) {
      throw new IllegalStateException("every JDK signs with ECDSA on P-256", e);
    }
  }

  private static boolean isAddress(String name) {
    return name.contains(":") || name.matches("[0-9.]+");
  }

  private static KeyPair newKeys() {
    try {
      var generator = KeyPairGenerator.getInstance("EC");
      generator.initialize(new ECGenParameterSpec("secp256r1"));
      return generator.generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every JDK has P-256", e);
    }
  }
}
