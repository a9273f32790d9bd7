"""FHIR R4 resources (http://hl7.org/fhir/R4) as plain JSON documents, built by pure functions."""
